/**
 * Looks at the lengths that Arrow's metadata claims before the library believes them: a vector that says it has two
 * billion entries costs it half a minute and all memory before it finds that they are not there. Knows of flatbuffers
 * only where vectors stand, and of Arrow only which tables hold them.
 */

/** A table's place, and its fields by number. Every read outside the buffer throws a RangeError. */
type Table = { readonly view: DataView; readonly at: number };

function fieldAt({ view, at }: Table, field: number): number | null {
  const vtable = at - view.getInt32(at, true);
  if (4 + 2 * field >= view.getUint16(vtable, true)) return null;
  const offset = view.getUint16(vtable + 4 + 2 * field, true);
  return offset === 0 ? null : at + offset;
}

function follow({ view }: Table, at: number): number {
  return at + view.getUint32(at, true);
}

/** Entries of a vector, or an error where the buffer cannot hold them. */
function vector(
  table: Table,
  field: number,
  entryBytes: number,
): { readonly first: number; readonly length: number } {
  const at = fieldAt(table, field);
  if (at === null) return { first: 0, length: 0 };
  const start = follow(table, at);
  const length = table.view.getUint32(start, true);
  if (start + 4 + length * entryBytes > table.view.byteLength)
    throw new RangeError(`a vector of ${length} entries`);
  return { first: start + 4, length };
}

function tableOf(table: Table, field: number): Table | null {
  const at = fieldAt(table, field);
  return at === null ? null : { view: table.view, at: follow(table, at) };
}

const root = (bytes: Uint8Array): Table => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { view, at: view.getUint32(0, true) };
};

/** Lists of lists of lists: more than any column of ours. */
const deepest = 4;

function checkFields(table: Table, field: number, depth: number): void {
  if (depth > deepest) throw new RangeError("fields within fields without end");
  const { first, length } = vector(table, field, 4);
  for (let i = 0; i < length; i++) {
    const child: Table = { view: table.view, at: follow(table, first + 4 * i) };
    vector(child, 6, 4);
    checkFields(child, 5, depth + 1);
  }
}

/** Throws where a file's footer claims more schema fields or blocks than it has room for. */
export function checkFooter(bytes: Uint8Array): void {
  const footer = root(bytes);
  vector(footer, 2, 24);
  vector(footer, 3, 24);
  vector(footer, 4, 4);
  const schema = tableOf(footer, 1);
  if (!schema) return;
  checkFields(schema, 1, 0);
  vector(schema, 2, 4);
  vector(schema, 3, 8);
}

/** Throws where a message claims more nodes or buffers than it has room for. */
export function checkMessage(bytes: Uint8Array): void {
  const message = root(bytes);
  vector(message, 4, 4);
  const header = tableOf(message, 2);
  if (!header) return;
  vector(header, 1, 16);
  vector(header, 2, 16);
}
