// Takes the place of zarrita and numcodecs: Zarr stores and their codecs are 1.4 MB that a viewer of files does not need.
const refuse = () => {
  throw new Error("Zarr is not part of this bundle");
};

export const open = Object.assign(refuse, { v2: refuse, v3: refuse });
export const root = refuse;
export const get = refuse;
export const slice = refuse;
export class FetchStore {
  constructor() {
    refuse();
  }
}
export default {};
