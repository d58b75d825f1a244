// Bundles the page and the studio into `built/`; the same source gives the same bytes.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";

const shared = {
  bundle: true,
  charset: "utf8",
  legalComments: "none",
  minify: true,
  outdir: "built",
  target: ["chrome110", "firefox115", "safari16.4"],
};

await build({ ...shared, entryPoints: { page: "source/page/page.css" } });
await build({ ...shared, entryPoints: { page: "source/page/main.ts" }, format: "esm" });
await build({ ...shared, entryPoints: { studio: "source/studio/studio.css" } });
await build({ ...shared, entryPoints: { studio: "source/studio/main.ts" }, format: "esm" });
await copyFile("source/studio/studio.html", "built/studio.html");
for (const name of ["index.html", "icon.svg"]) await copyFile(`source/page/${name}`, `built/${name}`);
