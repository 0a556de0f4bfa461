// `npm ci && node bundle.js`: writes static/niivue-VERSION-DIGEST.js and static/LICENSES.txt, and names the digest.
// Run by maintainers for a new NiiVue; neither installing nor running the package needs Node.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const output = join(here, "../../src/gradio_niivue/static");
const modules = join(here, "node_modules");

const { outputFiles, metafile } = await build({
  entryPoints: [join(here, "entry.js")],
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none", // the licences are shipped whole, beside it
  alias: { zarrita: "./no_zarr.js", numcodecs: "./no_zarr.js" },
  metafile: true,
  write: false,
});
const [{ contents }] = outputFiles;
const digest = createHash("sha256").update(contents).digest("hex");
const { version } = JSON.parse(readFileSync(join(modules, "@niivue/niivue/package.json")));

for (const name of readdirSync(output)) if (name.startsWith("niivue-")) rmSync(join(output, name));
writeFileSync(join(output, `niivue-${version}-${digest.slice(0, 8)}.js`), contents);
writeFileSync(join(output, "LICENSES.txt"), licences(Object.keys(metafile.inputs)));
console.log(`VERSION = "${version}"\nSHA256 = "${digest}"  # ${contents.length} bytes`);

/** The licence of every package that is in the bundle, in full. */
function licences(inputs) {
  const names = inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean);
  return [...new Set(names)].sort().map(licence).join("\n\n");
}

function licence(name) {
  const { version: its, license } = JSON.parse(readFileSync(join(modules, name, "package.json")));
  const spellings = ["LICENSE", "LICENSE.md", "license"].map((file) => join(modules, name, file));
  // NiiVue's package comes without the text of its licence, which its repository holds.
  const place = name === "@niivue/niivue" ? join(here, "NIIVUE-LICENSE.txt") : spellings.find(existsSync);
  if (!place) throw new Error(`${name} has no licence text`);
  return `==== ${name} ${its} (${license}) ====\n\n${readFileSync(place, "utf8").trim()}\n`;
}
