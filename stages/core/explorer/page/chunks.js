"use strict";
// Loads the pieces of data: scripts that hand one JSON text to `take`. A page from disk may load nothing else.

const KEPT_CHUNKS = 400; // those that were used last stay in memory
const chunks = new Map(); // name → promise of its value
const policy = window.trustedTypes
  ? trustedTypes.createPolicy("chunks", { createScriptURL: checkName })
  : { createScriptURL: checkName };

function checkName(name) {
  if (!/^data\/[a-z0-9/]+\.js$/.test(name)) throw new Error(`no chunk: ${name}`);
  return name;
}

function take(text) {
  document.currentScript.value = JSON.parse(text);
}

function load(name) {
  const known = chunks.get(name);
  if (known) {
    chunks.delete(name); // put last again
    chunks.set(name, known);
    return known;
  }
  const made = new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.onload = () => {
      script.remove();
      if (script.value === undefined) reject(new Error(`${name} is damaged`));
      else resolve(script.value);
    };
    script.onerror = () => {
      script.remove();
      chunks.delete(name);
      reject(new Error(`${name} cannot be read`));
    };
    script.src = policy.createScriptURL(`data/${name}.js`);
    document.head.append(script);
  });
  chunks.set(name, made);
  if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
  return made;
}

function loadNumbered(kind, number) {
  return load(`${kind}/${pad(Math.floor(number / 1000), 3)}/${pad(number, 6)}`);
}

function pad(number, digits) {
  return String(number).padStart(digits, "0");
}

// A column of all rows, of its chunks in base64: numbers (NaN: none) or codes of texts (0: none).
async function loadColumn(place, rows, chunkRows, Type) {
  const values = new Type(rows);
  const parts = Array.from({ length: Math.ceil(rows / chunkRows) }, async (_, number) => {
    const name = `columns/${pad(number, 3)}/${pad(place, 6)}`;
    const bytes = decode(await load(name));
    values.set(new Type(bytes.buffer), number * chunkRows);
    chunks.delete(name); // its values are in `values`
  });
  await Promise.all(parts);
  return values;
}

function decode(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
