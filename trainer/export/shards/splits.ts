/** What the exports of token shards to other trainers' formats share. Knows no such format. */
import type { ShardSet } from "../../../tokenizer/shards/read.ts";

export type Splits = {
  readonly train: ShardSet;
  /** null: there are no validation shards. */
  readonly val: ShardSet | null;
};

export type Written = { readonly path: string; readonly bytes: number };

export function splitsOf({ train, val }: Splits): readonly (readonly ["train" | "val", ShardSet])[] {
  return val === null
    ? [["train", train]]
    : [
        ["train", train],
        ["val", val],
      ];
}

export const asBytes = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
