// Bundles the pages into ../static, which the server serves under /static.
import { cp, mkdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const to = new URL("../static/", import.meta.url);
await rm(to, { recursive: true, force: true });
await mkdir(to);
await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: ["src/label.ts", "src/dashboard.ts", "src/label.css", "src/dashboard.css"],
  outdir: to.pathname,
  bundle: true,
  minify: true,
  target: "es2022",
  format: "esm",
  legalComments: "linked",
  logLevel: "warning",
});
for (const name of ["label.html", "dashboard.html", "icon.svg"]) {
  await cp(new URL(`src/${name}`, import.meta.url), new URL(name, to));
}
