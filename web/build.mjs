// Bundles the pages, writes their licences, and notes which sources they were made from.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const out = "../src/invariscope/survey/static";
mkdirSync(out, { recursive: true });

const bundled = await build({
  entryPoints: ["src/app.js", "src/compare.js", "src/live.js", "src/app.css"],
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2020"],
  legalComments: "none",
  metafile: true,
});

const packages = new Set();
for (const file of Object.keys(bundled.metafile.inputs)) {
  const found = file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/);
  if (found) packages.add(found[1]);
}
const texts = [...packages].sort().map((name) => {
  const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const own = readdirSync(`node_modules/${name}`).find((file) => /^licen[cs]e/i.test(file));
  const file = own ? `node_modules/${name}/${own}` : `licences/${name}.txt`;
  if (!existsSync(file)) throw new Error(`no licence text of ${name}; put it at web/${file}`);
  return `${name} ${about.version} (${about.license})\n\n${readFileSync(file, "utf8").trim()}\n`;
});
const line = `\n${"-".repeat(80)}\n\n`;
const head = "Bundled in app.js, each under its own licence:\n";
writeFileSync(join(out, "LICENSES.txt"), [head, ...texts].join(line));

// The same as in tests/survey/test_static.py.
const digest = createHash("sha256");
const sources = ["build.mjs", "package.json", "package-lock.json"];
for (const folder of ["src", "licences"])
  sources.push(...readdirSync(folder).map((name) => `${folder}/${name}`));
for (const name of sources.sort()) digest.update(`${name}\0`).update(readFileSync(name));
writeFileSync(join(out, "build.json"), `{"sources": "${digest.digest("hex")}"}\n`);
