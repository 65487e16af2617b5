/**
 * The alphabet in which byte-level vocabularies are written as text: each byte is one printable character. Bytes
 * that are printable in Latin-1 stand for themselves, the other 68 for U+0100 and on, in order (GPT-2's convention).
 */

const printable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** Character of each byte. */
export const characterOfByte: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteOfCharacter = new Map(characterOfByte.map((character, byte) => [character, byte]));

/** Bytes in the order of their characters' code points: the order in which Hugging Face numbers them. */
export const bytesByCharacter: readonly number[] = [...byteOfCharacter.entries()]
  .sort(([a], [b]) => a.charCodeAt(0) - b.charCodeAt(0))
  .map(([, byte]) => byte);

export function charactersOfBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += characterOfByte[byte]!;
  return text;
}

/** The bytes a vocabulary string stands for, or null where it has a character outside the alphabet. */
export function bytesOfCharacters(text: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfCharacter.get(text[i]!);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}
