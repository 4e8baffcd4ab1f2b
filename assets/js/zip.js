// Several files, or a folder, as one zip: what is uploaded is one file whatever was dropped.
//
// Pictures are compressed already, so they are stored as they are. Format: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local
// header), 4.3.12 (central directory) and 4.3.16 (its end); names are UTF-8 (bit 11 of the flags).

const TABLE = Uint32Array.from({length: 256}, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
const UTF8 = 0x0800, VERSION = 20, EPOCH = 0x21; // the date 1980-01-01

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Numbers of 2 or 4 bytes, little-endian: [[value, bytes], ...]. */
function packed(...fields) {
  const out = new DataView(new ArrayBuffer(fields.reduce((sum, [, bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) out.setUint16(at, value, true);
    else out.setUint32(at, value, true);
    at += bytes;
  }
  return out.buffer;
}

/** A zip called `name` of [path, file] pairs. */
export async function zipped(name, files) {
  const parts = [], directory = [];
  let at = 0;
  for (const [path, file] of files) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const title = new TextEncoder().encode(path);
    const same = [[VERSION, 2], [UTF8, 2], [0, 2], [0, 2], [EPOCH, 2], [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [title.length, 2], [0, 2]];
    parts.push(packed([0x04034b50, 4], ...same), title, file);
    directory.push(packed([0x02014b50, 4], [VERSION, 2], ...same, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]), title);
    at += 30 + title.length + bytes.length;
  }
  const length = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = packed([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [length, 4], [at, 4], [0, 2]);
  return new File([...parts, ...directory, end], name, {type: "application/zip"});
}

/** Every file of what was dropped, folders opened, as [path, file]. Call it within the event, before anything else. */
export async function dropped(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map(opened))).flat();
}

async function opened(entry) {
  if (entry.isFile) return [[entry.fullPath.slice(1), await new Promise((done, failed) => entry.file(done, failed))]];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives a hundred at a time, and none at the end
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(opened))).flat();
}

/** The files of an input, which has the paths of a folder's. */
export const chosen = (files) => [...files].map((file) => [file.webkitRelativePath || file.name, file]);

/** One zip as it is; anything else packed, called after its folder. */
export async function packedUp(files, name) {
  const wanted = files.filter(([path]) => !path.split("/").some((part) => part.startsWith(".")));
  if (wanted.length === 1 && /\.zip$/i.test(wanted[0][0])) return wanted[0][1];
  const top = wanted[0]?.[0].includes("/") ? wanted[0][0].split("/")[0] : name;
  return zipped(`${top}.zip`, wanted);
}
