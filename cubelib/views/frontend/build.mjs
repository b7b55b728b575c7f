// npm run build: bundle.min.js, with a digest of what it was made from, so that a test can tell whether it is up to date.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const SOURCES = ["heatmap.js", "index.js", "lattice.js", "look.js", "panel.js", "scatter.js", "stage.js", "writing.js"];
const digest = createHash("sha256");
for (const name of SOURCES) digest.update(readFileSync(name));

await build({
  entryPoints: ["index.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "inline",
  banner: { js: `/* cubelib and three.js, both MIT; sources ${digest.digest("hex")} */` },
  outfile: "bundle.min.js",
});
