// node:os: the sandbox says the same about itself on every machine.

export const EOL = "\n";
export const platform = () => "wasi";
export const type = () => "WASI";
export const arch = () => "wasm32";
export const release = () => "";
export const hostname = () => "localhost";
export const homedir = () => "/";
export const tmpdir = () => "/tmp";
export const cpus = () => [];
export const availableParallelism = () => 1;
export const totalmem = () => 536870912;
export const freemem = () => 536870912;
export const uptime = () => 0;
export const loadavg = () => [0, 0, 0];
export const userInfo = () => ({ username: "mission", uid: -1, gid: -1, shell: null, homedir: "/" });
export default { EOL, platform, type, arch, release, hostname, homedir, tmpdir, cpus, availableParallelism, totalmem, freemem, uptime, loadavg, userInfo };
