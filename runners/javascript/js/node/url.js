// node:url: the web's URL by import, and paths of files as URLs.
import { URL, URLSearchParams } from "coo:url";

export { URL, URLSearchParams };
export const fileURLToPath = (url) => {
  const parsed = typeof url === "string" ? new URL(url) : url;
  if (parsed.protocol !== "file:") throw Object.assign(new TypeError("The URL must be of scheme file"), { code: "ERR_INVALID_URL_SCHEME" });
  return decodeURIComponent(parsed.pathname);
};
export const pathToFileURL = (path) => new URL("file://" + String(path).split("/").map(encodeURIComponent).join("/"));
export const parse = (text) => new URL(text, "http://localhost");
export const format = (url) => String(url);
export default { URL, URLSearchParams, fileURLToPath, pathToFileURL, parse, format };
