"use strict";
// A folder as a zip (stored, not compressed), made here from what was dropped or chosen.
// The rules of the command line: createos_mcp/contract/secret_files.py and needless_files.py.
const readRules = text => {
  const given = JSON.parse(text), compile = ([source, flags]) => new RegExp(source, flags);
  const patterns = list => list.map(([takes, source]) => [takes, new RegExp(source)]);
  const matches = (list, path) => list.reduce((found, [takes, pattern]) => pattern.test(path) ? takes : found, false);
  const needless = patterns(given.needless), secret = patterns(given.secret), privateKey = compile(given.privateKey);
  const tokens = new Map(Object.entries(given.tokens).map(([name, token]) => [name, compile(token)]));
  const holdsCredentials = async file => {
    try { return given.credentialTypes.includes(JSON.parse(await file.text())?.type); } catch { return false; }
  };
  return {
    ruleFiles: given.ruleFiles, mark: given.directoryMark,
    isNeedless: path => matches(needless, path),
    isSecret: async (path, file) => {
      const head = new TextDecoder("latin1").decode(await file.slice(0, given.markBytes).arrayBuffer());
      const name = path.split("/").pop().toLowerCase();
      if (privateKey.test(head)) return true;
      if (matches(secret, path.toLowerCase()))
        return !(given.keyKinds.some(kind => name.endsWith(kind)) && given.publicMarks.some(mark => head.includes(mark)));
      return Boolean(tokens.get(name)?.test(head)) || (name.endsWith(".json") && await holdsCredentials(file));
    },
  };
};

// The folder's own rule files; matching is createos_mcp/workflows/ignoring.py's, letter by letter.
const asBytes = path => String.fromCharCode(...new TextEncoder().encode(path));
const isMatched = (regex, mark, path) => {
  const name = path.replace(/\/$/, ""), found = name.match(regex);
  if (found && found.groups?.[mark] === undefined) return true;
  if (path === name) return false;
  return [...path.matchAll(new RegExp(regex.source, "dg"))].some(one => one.indices.groups?.[mark]?.[0] === name.length);
};
const readIgnored = async (files, { ruleFiles, mark, isNeedless }) => {
  const texts = {};
  for (const [path, file] of files) {
    const at = path.lastIndexOf("/") + 1;
    if (ruleFiles.includes(path.slice(at)) && !isNeedless(`${path.slice(0, at)}_`)) texts[path] = await file.text();
  }
  if (!Object.keys(texts).length) return () => false;
  const body = new FormData();
  body.set("rules", new Blob([JSON.stringify(texts)]), "rules.json");
  const told = await (await fetch("/ignore-rules", { method: "POST", body })).json();
  const depth = path => path.split("/").length * 10 + ruleFiles.indexOf(path.split("/").pop());
  const rules = Object.entries(told).sort(([a], [b]) => depth(a) - depth(b)).map(([path, patterns]) =>
    [asBytes(path.slice(0, path.lastIndexOf("/") + 1)), patterns.map(([takes, source]) => [takes, new RegExp(source)])]);
  const known = new Map();
  const judge = path => {
    let ignored = false;
    for (const [place, patterns] of rules)
      if (path.startsWith(place)) {
        const last = patterns.findLast(([, regex]) => isMatched(regex, mark, path.slice(place.length)));
        ignored = last ? last[0] : ignored;
      }
    return ignored;
  };
  const isOut = path => {
    if (!known.has(path)) {
      const above = path.slice(0, path.lastIndexOf("/", path.length - 2) + 1);
      known.set(path, (above && isOut(above)) || judge(path));
    }
    return known.get(path);
  };
  return path => isOut(asBytes(path));
};

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
const crc32 = bytes => {
  let sum = ~0;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
};

// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16
const head = (signature, fields) => {
  const bytes = new Uint8Array(4 + fields.reduce((sum, [size]) => sum + size, 0)), view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [size, value] of fields) { size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true); at += size; }
  return bytes;
};
const zip = async files => {
  const parts = [], central = [];
  let offset = 0;
  for (const [path, file] of files) {
    const name = new TextEncoder().encode(path), content = new Uint8Array(await file.arrayBuffer());
    const common = [[2, 0x0800], [2, 0], [2, 0], [2, 0x21], [4, crc32(content)], [4, content.length], [4, content.length], [2, name.length]];
    const local = head(0x04034b50, [[2, 20], ...common, [2, 0]]);
    central.push(head(0x02014b50, [[2, 20], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    parts.push(local, name, content);
    offset += local.length + name.length + content.length;
  }
  const size = central.reduce((sum, part) => sum + part.length, 0);
  const end = head(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]]);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
};

const walk = async (entry, rules, into) => {
  const path = entry.fullPath.slice(1);
  const isRuleFile = entry.isFile && rules.ruleFiles.includes(entry.name);
  if (!isRuleFile && rules.isNeedless(entry.isFile ? path : `${path}/`)) return;
  if (entry.isFile) {
    into.push([path, await new Promise((done, fail) => entry.file(done, fail))]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const found = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!found.length) return;
    for (const one of found) await walk(one, rules, into);
  }
};
// What all paths share in front is the folder itself.
const inside = files => {
  const roots = new Set(files.map(([path]) => path.split("/")[0]));
  const nested = roots.size === 1 && files.every(([path]) => path.includes("/"));
  return nested ? files.map(([path, file]) => [path.slice(path.indexOf("/") + 1), file]) : files;
};

for (const form of document.querySelectorAll("[data-drop]")) {
  const area = form.querySelector(".drop"), said = form.querySelector("[role=status]");
  const chosen = form.querySelector("[data-folder]"), name = form.elements.name;
  const rules = readRules(form.dataset.drop);
  let packed;
  const take = async files => {
    const secret = [], kept = [], found = inside(files), isIgnored = await readIgnored(found, rules);
    for (const [path, file] of found) {
      if (rules.isNeedless(path) || isIgnored(path)) continue;
      if (await rules.isSecret(path, file)) secret.push(path); else kept.push([path, file]);
    }
    if (!kept.length) { said.textContent = "There is no file to deploy in it."; return; }
    said.textContent = "Packing…";
    packed = await zip(kept);
    const left = secret.length ? ` Left out, as they may hold secrets: ${secret.slice(0, 5).join(", ")}. Set variables in the environment instead.` : "";
    said.textContent = `${kept.length} files, ${(packed.size / 2 ** 20).toFixed(1)} MB.${left}`;
    const folder = files[0][0].split("/")[0];
    if (name && !name.value && folder) name.value = folder.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 32);
  };
  area.hidden = false;
  area.addEventListener("dragover", e => { e.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", async e => {
    e.preventDefault();
    area.classList.remove("over");
    const entries = [...e.dataTransfer.items].map(item => item.webkitGetAsEntry()).filter(Boolean), files = [];
    for (const entry of entries) await walk(entry, rules, files);
    await take(files);
  });
  chosen.addEventListener("change", () => take([...chosen.files].map(file => [file.webkitRelativePath, file])));
  form.addEventListener("submit", async e => {
    if (!packed) return;
    e.preventDefault();
    const body = new FormData();
    if (name) body.set("name", name.value);
    body.set("file", packed, "folder.zip");
    said.textContent = "Uploading…";
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
    if (answer.redirected) location = answer.url;
    else said.textContent = new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html").querySelector("[role=alert]")?.textContent ?? `The answer was ${answer.status}.`;
  });
}
