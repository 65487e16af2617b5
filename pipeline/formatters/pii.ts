/**
 * Replaces personal data by tags that are the same in every text: `<email>`, `<ip>` and the like. Not by made-up
 * addresses, which a reader takes for data and which a second pass would replace again. What a text becomes depends
 * on that text alone, and scrubbing it twice changes nothing.
 */
import { choice, flag, type Options, type Values } from "../../lib/options.ts";
import type { Document, MetaValue } from "../document.ts";
import type { Stage } from "../stage.ts";
import { findEmails } from "./pii-email.ts";
import { findIp4, findIp6 } from "./pii-ip.ts";
import { findCards, findIbans, findPhones, findSocialSecurityNumbers } from "./pii-numbers.ts";
import type { Span } from "./pii-span.ts";

const options = {
  email: flag(true, "email addresses, and user:password in web addresses"),
  ip: choice("public", "IP addresses, both versions: those the whole internet can reach, all, or none", [
    "public",
    "all",
    "off",
  ] as const),
  phone: flag(false, "phone numbers: many numbers look like one"),
  socialSecurity: flag(false, "United States social security numbers"),
  creditCard: flag(false, "card numbers with a right check digit"),
  iban: flag(false, "international bank account numbers with a right check"),
  action: choice("redact", "replace each find by its tag, or drop the document", ["redact", "drop"] as const),
} satisfies Options;

type Settings = Values<typeof options>;

export type PiiKind = "password" | "email" | "ip" | "phone" | "ssn" | "card" | "iban";

/** What stands in the text afterwards. User and password of a web address leave nothing behind: the address still reads. */
export const piiTags: Readonly<Record<PiiKind, string>> = {
  password: "",
  email: "<email>",
  ip: "<ip>",
  phone: "<phone>",
  ssn: "<ssn>",
  card: "<card>",
  iban: "<iban>",
};

export type PiiFind = Span & { readonly kind: PiiKind };

/** `spans` put among `finds` where they overlap none of them; both are ascending. */
function among(finds: readonly PiiFind[], kind: PiiKind, spans: readonly Span[]): readonly PiiFind[] {
  if (spans.length === 0) return finds;
  const merged: PiiFind[] = [];
  let i = 0;
  for (const { start, end } of spans) {
    while (i < finds.length && finds[i]!.end <= start) merged.push(finds[i++]!);
    const overlaps = i < finds.length && finds[i]!.start < end;
    if (!overlaps) merged.push({ kind, start, end });
  }
  return [...merged, ...finds.slice(i)];
}

/** Everything found, ascending, without overlaps; where two finds overlap the surer kind wins. */
export function findPii(text: string, settings: Settings): readonly PiiFind[] {
  let finds: readonly PiiFind[] = [];
  const add = (kind: PiiKind, spans: readonly Span[]) => {
    finds = among(finds, kind, spans);
  };
  if (settings.email && text.includes("@")) {
    const { emails, passwords } = findEmails(text);
    add("password", passwords);
    add("email", emails);
  }
  if (settings.iban) add("iban", findIbans(text));
  if (settings.ip !== "off") {
    if (text.includes(":")) add("ip", findIp6(text, settings.ip));
    add("ip", findIp4(text, settings.ip));
  }
  if (settings.creditCard) add("card", findCards(text));
  if (settings.socialSecurity) add("ssn", findSocialSecurityNumbers(text));
  if (settings.phone) add("phone", findPhones(text));
  return finds;
}

export type PiiCounts = Partial<Record<PiiKind, number>>;

/** More rounds than any text needs: a tag can set free what stood too close to the data it replaces. */
const mostRounds = 8;

/** The text with tags, and how many finds of each kind there were. */
export function redactPii(
  text: string,
  settings: Settings,
): { readonly text: string; readonly counts: PiiCounts } {
  const counts: PiiCounts = {};
  for (let round = 0; round < mostRounds; round++) {
    const finds = findPii(text, settings);
    if (finds.length === 0) break;
    let result = "";
    let at = 0;
    for (const { kind, start, end } of finds) {
      result += text.slice(at, start) + piiTags[kind];
      at = end;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    text = result + text.slice(at);
  }
  return { text, counts };
}

function withCounts(document: Document, counts: PiiCounts): Record<string, MetaValue> {
  const meta: Record<string, MetaValue> = { ...document.meta };
  for (const [kind, n] of Object.entries(counts)) meta[`pii_${kind}`] = n;
  return meta;
}

export const pii: Stage<typeof options> = {
  name: "pii",
  kind: "formatter",
  about: "replaces email addresses and public IP addresses by tags",
  source:
    "Penedo et al. 2024 (FineWeb), section 3.7 and datatrove, pipeline/formatters/pii.py for what is replaced; IANA special-purpose address registries; ISO 13616; ISO/IEC 7812",
  options,
  reasons: ["personal-data"],
  measures: [],
  build: settings => document => {
    const { text, counts } = redactPii(document.text, settings);
    const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
    if (total === 0) return { keep: document };
    if (settings.action === "drop") return { drop: "personal-data", value: total, threshold: 0 };
    return { keep: { ...document, text, meta: withCounts(document, counts) } };
  },
};
