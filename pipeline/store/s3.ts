/**
 * Objects of an S3-compatible store: list, read from any byte on, write whole or not at all. Credentials, region and
 * endpoint are found by the AWS SDK (environment, profile, instance role; AWS_ENDPOINT_URL_S3 for other makers' stores).
 * Knows nothing of what is in an object. A body that breaks off is gone on with at the byte where it broke, of the same
 * version (If-Match); parts of a large upload that an earlier try left are not sent again. The SDK costs 0.2 s to load,
 * so only what names an s3:// address loads it.
 */

import { createHash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { temporaryName } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";

export type Address = { readonly bucket: string; readonly key: string };

export const isS3 = (name: string): boolean => /^s3:\/\//i.test(name);

/** `s3://bucket/key`; the key may be empty. Throws UserError. */
export function parseAddress(url: string): Address {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/is.exec(url);
  if (!match) throw new UserError(`expected an address such as s3://bucket/folder/name, got ${shown(url)}`);
  return { bucket: match[1]!, key: match[2] ?? "" };
}

export const addressOf = ({ bucket, key }: Address): string => `s3://${bucket}/${key}`;

/** This machine's folder for a workdir in the store: below TMPDIR, the same each time. */
export function scratchOf(url: string): string {
  parseAddress(url);
  const name = createHash("sha256").update(url.replace(/\/+$/, "")).digest("hex").slice(0, 16);
  return join(tmpdir(), `curate-${name}`);
}

export type Stat = { readonly bytes: number; readonly etag: string };
export type Listed = Stat & { readonly key: string; readonly modified: Date };

/** Tries of one object that bring nothing new. */
const tries = 6;
/** Bytes of one part of an upload; S3 takes 10,000 parts of at least 5 MiB. */
export const partBytes = 8 << 20;
const mostParts = 10_000;

type Sdk = typeof import("@aws-sdk/client-s3");

async function loadSdk(): Promise<Sdk> {
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  return import("@aws-sdk/client-s3");
}

export type Store = {
  /** Every object below a prefix of a bucket, in the order of their names. */
  list(prefix: Address): AsyncGenerator<Listed>;
  stat(address: Address): Promise<Stat | null>;
  /** The bytes from `from` up to, not including, `to`, of the version that has this etag. */
  read(address: Address, etag: string | null, from: number, to: number): Promise<Buffer>;
  /** All bytes, gone on with where the connection breaks. */
  stream(address: Address, stat: Stat): AsyncGenerator<Uint8Array>;
  /** Brings an object to a file, which appears whole. Null where there is none. */
  download(address: Address, path: string): Promise<Stat | null>;
  /** Makes an object of a file: it appears whole, or, where this fails, what was there before stays. */
  upload(path: string, address: Address): Promise<Stat>;
  remove(address: Address): Promise<void>;
  close(): void;
};

export async function openStore(wait: (milliseconds: number) => Promise<unknown> = delay): Promise<Store> {
  const sdk = await loadSdk();
  const endpoint = process.env["AWS_ENDPOINT_URL_S3"] || process.env["AWS_ENDPOINT_URL"];
  const client = new sdk.S3Client({
    ...(process.env["AWS_REGION"] || process.env["AWS_DEFAULT_REGION"] || !endpoint
      ? {}
      : { region: "us-east-1" }),
    ...(process.env["AWS_DEFAULT_REGION"] && !process.env["AWS_REGION"]
      ? { region: process.env["AWS_DEFAULT_REGION"] }
      : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    // Other makers' stores do not know the checksums that newer SDKs add unasked.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 5,
  });
  return storeOf(sdk, client, wait);
}

function storeOf(sdk: Sdk, client: S3Client, wait: (milliseconds: number) => Promise<unknown>): Store {
  const named = <T>(address: Address, asked: Promise<T>): Promise<T> =>
    asked.catch((error: unknown) => {
      throw explained(error as S3Fault, address);
    });

  const get = async (address: Address, etag: string | null, range: string) => {
    const { bucket: Bucket, key: Key } = address;
    const asked = client.send(
      new sdk.GetObjectCommand({ Bucket, Key, Range: range, ...(etag === null ? {} : { IfMatch: etag }) }),
    );
    return (await named(address, asked)).Body as Readable;
  };

  async function* pieces(address: Address, etag: string | null, from: number, to: number) {
    let at = from;
    for (let tried = 0; at < to; ) {
      const before = at;
      let fault: Error | null = null;
      try {
        for await (const data of await get(address, etag, `bytes=${at}-${to - 1}`)) {
          const chunk = (data as Uint8Array).subarray(0, to - at);
          at += chunk.length;
          yield chunk;
        }
      } catch (error) {
        if (error instanceof UserError) throw error;
        fault = error as Error;
      }
      if (at >= to) return;
      tried = at > before ? 1 : tried + 1;
      if (tried > tries) {
        const why = fault?.message ?? `it ended after ${at - from} of ${to - from} bytes`;
        throw new Error(`gave up on ${addressOf(address)} after ${tries} tries: ${why}`);
      }
      await wait(250 * 2 ** tried);
    }
  }

  const stat = async (address: Address): Promise<Stat | null> => {
    const { bucket: Bucket, key: Key } = address;
    try {
      const head = await client.send(new sdk.HeadObjectCommand({ Bucket, Key }));
      return { bytes: head.ContentLength ?? 0, etag: head.ETag ?? "" };
    } catch (error) {
      if ((error as S3Fault).$metadata?.httpStatusCode === 404) return null;
      throw explained(error as S3Fault, address);
    }
  };

  /** Parts that an earlier try of the same upload left, newest upload first. */
  const begunUpload = async ({ bucket: Bucket, key: Key }: Address) => {
    const uploads = await client
      .send(new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: Key }))
      .catch(() => ({ Uploads: [] }));
    const UploadId = uploads.Uploads?.filter(upload => upload.Key === Key).at(-1)?.UploadId;
    const there = new Map<number, string>();
    if (!UploadId) return { UploadId: null, there };
    let marker: string | undefined;
    do {
      const page = await client.send(
        new sdk.ListPartsCommand({ Bucket, Key, UploadId, ...(marker ? { PartNumberMarker: marker } : {}) }),
      );
      for (const part of page.Parts ?? []) there.set(part.PartNumber!, part.ETag!);
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker);
    return { UploadId, there };
  };

  const uploadParts = async (file: number, bytes: number, address: Address): Promise<string> => {
    const { bucket: Bucket, key: Key } = address;
    const size = partSize(bytes);
    const begun = await begunUpload(address);
    const UploadId =
      begun.UploadId ?? (await client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }))).UploadId!;
    const Parts: { PartNumber: number; ETag: string }[] = [];
    for (let PartNumber = 1; (PartNumber - 1) * size < bytes; PartNumber++) {
      const Body = readPart(file, (PartNumber - 1) * size, Math.min(size, bytes - (PartNumber - 1) * size));
      const md5 = `"${createHash("md5").update(Body).digest("hex")}"`;
      const same = begun.there.get(PartNumber) === md5;
      const ETag = same
        ? md5
        : (await client.send(new sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))).ETag!;
      Parts.push({ PartNumber, ETag });
    }
    const done = await client.send(
      new sdk.CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    return done.ETag ?? "";
  };

  return {
    async *list({ bucket: Bucket, key: Prefix }) {
      let token: string | undefined;
      do {
        const page = await named(
          { bucket: Bucket, key: Prefix },
          client.send(
            new sdk.ListObjectsV2Command({ Bucket, Prefix, ...(token ? { ContinuationToken: token } : {}) }),
          ),
        );
        for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
          if (Key === undefined) continue;
          yield { key: Key, bytes: Size ?? 0, etag: ETag ?? "", modified: LastModified ?? new Date(0) };
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token);
    },
    stat,
    async read(address, etag, from, to) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of pieces(address, etag, from, to)) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    stream: (address, { etag, bytes }) => pieces(address, etag, 0, bytes),
    async download(address, path) {
      const found = await stat(address);
      if (!found) return null;
      makeFolder(dirname(path));
      const temporary = temporaryName(path);
      const file = openSync(temporary, "w");
      try {
        for await (const chunk of pieces(address, found.etag, 0, found.bytes))
          for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at, chunk.length - at);
        fsyncSync(file);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      } finally {
        closeSync(file);
      }
      renameSync(temporary, path);
      return found;
    },
    async upload(path, address) {
      const file = openSync(path, "r");
      try {
        const bytes = fstatSync(file).size;
        const { bucket: Bucket, key: Key } = address;
        const etag =
          bytes > partBytes
            ? await named(address, uploadParts(file, bytes, address))
            : ((
                await named(
                  address,
                  client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: readPart(file, 0, bytes) })),
                )
              ).ETag ?? "");
        const found = await stat(address);
        if (found?.bytes !== bytes)
          throw new Error(
            `${addressOf(address)}: ${bytes} bytes were sent, the store has ${found?.bytes ?? "none"}`,
          );
        return { bytes, etag };
      } finally {
        closeSync(file);
      }
    },
    async remove(address) {
      const { bucket: Bucket, key: Key } = address;
      await named(address, client.send(new sdk.DeleteObjectCommand({ Bucket, Key })));
    },
    close: () => client.destroy(),
  };
}

const partSize = (bytes: number): number => Math.max(partBytes, Math.ceil(bytes / (mostParts - 1)));

function readPart(file: number, from: number, length: number): Buffer {
  const part = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const got = readSync(file, part, at, length - at, from + at);
    if (got === 0) throw new Error("the file became shorter while it was sent");
    at += got;
  }
  return part;
}

/** The etag an object has that `upload` made of a file: md5 of its bytes, or of the md5s of its parts. */
export function etagOfFile(path: string): string {
  const file = openSync(path, "r");
  try {
    const bytes = fstatSync(file).size;
    const md5 = (data: Uint8Array) => createHash("md5").update(data).digest();
    if (bytes <= partBytes) return `"${md5(readPart(file, 0, bytes)).toString("hex")}"`;
    const size = partSize(bytes);
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes; at += size) parts.push(md5(readPart(file, at, Math.min(size, bytes - at))));
    return `"${md5(Buffer.concat(parts)).toString("hex")}-${parts.length}"`;
  } finally {
    closeSync(file);
  }
}

type S3Fault = Error & { readonly $metadata?: { readonly httpStatusCode?: number } };

/** What the user can mend as a UserError: credentials, rights, names, addresses. Anything else stays what it is. */
function explained(error: S3Fault, address: Address): Error {
  if (error instanceof UserError) return error;
  const { name, message, $metadata } = error;
  const where = addressOf(address);
  const status = $metadata?.httpStatusCode;
  const said = message && message !== "UnknownError" ? message : name;
  if (/Credential|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken/.test(name) || status === 401)
    return new UserError(
      `${where}: no valid credentials: ${said}`,
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where the machine has a role.",
    );
  if (status === 403)
    return new UserError(
      `${where}: access denied: ${said}`,
      "Ask for the right to it, or name another bucket.",
    );
  if (name === "NoSuchBucket")
    return new UserError(`${where}: there is no such bucket`, "Create it, or correct its name.");
  if (status === 404) return new UserError(`${where}: there is no such object`);
  if (status === 412)
    return new UserError(`${where}: the object changed while it was read`, "Run the same command again.");
  if (/Region is missing/.test(message))
    return new UserError(`${where}: the region is not known`, "Set AWS_REGION.");
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "EAI_AGAIN")
    return new UserError(
      `${where}: the store cannot be reached: ${message || code}`,
      "Check AWS_ENDPOINT_URL_S3 and the network.",
    );
  return error;
}
