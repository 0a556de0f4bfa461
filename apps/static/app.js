// Shows the Space's variables, and signs a text with the visitor's own passphrase.
"use strict";

const variables = window.huggingface?.variables ?? {};
document.getElementById("word").textContent = variables.THEME_WORD ?? "not set";

const facts = {
  "Space": variables.SPACE_ID ?? "not told",
  "Address": location.host,
  "Processors": `${navigator.hardwareConcurrency ?? "unknown"}, of your own device: a static Space has none`,
  "Memory": navigator.deviceMemory ? `${navigator.deviceMemory} GB or more, also yours` : "not told by this browser",
};
const list = document.getElementById("facts");
for (const [name, value] of Object.entries(facts)) {
  list.append(Object.assign(document.createElement("dt"), { textContent: name }));
  list.append(Object.assign(document.createElement("dd"), { textContent: value }));
}

// HMAC-SHA256 (RFC 2104) by the browser itself; the passphrase leaves neither the page nor this function.
async function sign(text, passphrase) {
  const bytes = (words) => new TextEncoder().encode(words);
  const kind = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(passphrase), kind, false, ["sign"]);
  const made = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(text)));
  return Array.from(made, (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 32);
}

document.getElementById("sign").addEventListener("submit", async (event) => {
  event.preventDefault();
  const shown = document.getElementById("signature");
  shown.textContent = await sign(document.getElementById("text").value, document.getElementById("passphrase").value);
});
