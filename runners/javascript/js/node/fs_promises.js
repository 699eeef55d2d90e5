// node:fs/promises: what node:fs says, as promises.
import { promises } from "node:fs";

export const { readFile, writeFile, readdir, stat, lstat, open, access, appendFile, mkdir, mkdtemp, rm, unlink, rename, copyFile, realpath } = promises;
export default promises;
