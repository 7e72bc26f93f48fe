// What differs between two JSON documents, line by line.

// Returns the lines of an event and of its outcome, each with how it relates to the other document.
export function lines(event, outcome) {
  const [before, after] = [parse(event), parse(outcome)];
  const [old, found] = [leaves(before), leaves(after)];
  const used = new Map(); // a leaf of the event: what became of it
  const notes = new Map(); // a leaf of the outcome: where it is from
  const take = (matches, kind) => {
    for (const [path, value] of found) {
      if (notes.has(path)) continue;
      const from = [...old.keys()].find((one) => old.get(one) === value && matches(one, path) && (kind === "moved" || !used.has(one)));
      if (from === undefined) continue;
      used.set(from, used.get(from) ?? kind);
      notes.set(path, { kind, note: kind === "kept" ? "" : `${kind} from ${kind === "renamed" ? last(from) : from}` });
    }
  };
  take((one, path) => one === path, "kept");
  const isTelling = (...paths) => !paths.some((path) => /version$/i.test(path)); // versions are equal by chance
  take((one, path) => one.toLowerCase() === path.toLowerCase(), "renamed");
  take((one, path) => isTelling(one, path) && parent(one).toLowerCase() === parent(path).toLowerCase(), "renamed");
  take((one, path) => last(one).toLowerCase() === last(path).toLowerCase(), "moved");
  take((one, path) => isTelling(one, path) && found.get(path).length > 3, "moved");
  for (const path of found.keys()) if (!notes.has(path)) notes.set(path, { kind: "inferred", note: "inferred" });
  const sides = new Map([...old.keys()].map((path) => {
    const kind = outcome === undefined ? "kept" : used.get(path) ?? "left-out";
    return [path, { kind, note: "" }];
  }));
  return [
    before === undefined ? { text: event } : written(before, sides),
    after === undefined ? { text: outcome ?? "" } : written(after, notes),
  ];
}

// Returns what differs between two outcomes, one text for each leaf.
export function compare(one, other) {
  const [old, now] = [leaves(parse(one)), leaves(parse(other))];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((path) => old.get(path) !== now.get(path))
    .map((path) => `${path}: ${old.has(path) ? old.get(path) : "absent"} → ${now.has(path) ? now.get(path) : "absent"}`);
}

// Returns what a text is as JSON, or undefined.
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf(".")));
const last = (path) => path.slice(path.lastIndexOf(".") + 1);
const isLeaf = (value) => value === null || typeof value !== "object" || !Object.keys(value).length;
const at = (path, key) => (path ? `${path}.${key}` : key);

// Returns the JSON of each scalar and empty container, by its path.
function leaves(value, path = "", found = new Map()) {
  if (value === undefined) return found;
  if (isLeaf(value)) found.set(path, JSON.stringify(value));
  else for (const [key, each] of Object.entries(value)) leaves(each, at(path, key), found);
  return found;
}

function written(value, notes, path = "", key = "", comma = "", depth = 0) {
  const indent = "  ".repeat(depth);
  const head = key === "" ? indent : `${indent}${JSON.stringify(key)}: `;
  if (isLeaf(value)) return [{ text: head + JSON.stringify(value) + comma, ...notes.get(path) }];
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const entries = Object.entries(value);
  return [
    { text: head + open, kind: "", note: "" },
    ...entries.flatMap(([name, each], index) => written(
      each, notes, at(path, name), Array.isArray(value) ? "" : name, index < entries.length - 1 ? "," : "", depth + 1,
    )),
    { text: indent + close + comma, kind: "", note: "" },
  ];
}
