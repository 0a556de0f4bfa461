// What the viewer uses of NiiVue; esbuild leaves the rest out where it can.
export { Niivue } from "@niivue/niivue";
