/**
 * Finds numbers that identify people: bank accounts (IBAN, length by country, remainder 1 modulo 97), cards (known
 * first digits, Luhn), United States social security numbers (ranges that are issued), phone numbers. Check digits make
 * the first two safe; phone numbers have none, so one counts only with a country code, in the North American form, or
 * behind a word such as tel.
 */
import { isWordCharacter } from "../text/characters.ts";
import type { Span } from "./pii-span.ts";

const free = (text: string, start: number, end: number): boolean =>
  !(start > 0 && isWordCharacter(text.charCodeAt(start - 1))) &&
  !(end < text.length && isWordCharacter(text.charCodeAt(end)));

/** Lengths of account numbers by country: ISO 13616 registry. */
const ibanLengths = new Map(
  (
    "NO15 BE16 DK18 FI18 FO18 GL18 NL18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 XK20 CH21 CR22 DE22 GB22 GE22 IE22 " +
    "BG22 BH22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 SA24 SE24 SK24 TN24 VG24 LY25 " +
    "PT25 ST25 IS26 TR26 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28 GT28 HU28 LB28 PL28 SV28 SD18 UA29 " +
    "BR29 EG29 PS29 QA29 KW30 JO30 MU30 MT31 SC31 LC32"
  )
    .split(" ")
    .map(entry => [entry.slice(0, 2), Number(entry.slice(2))] as const),
);

/** Whether letters and digits without spaces are a valid IBAN. */
export function isIban(compact: string): boolean {
  const iban = compact.toUpperCase();
  if (ibanLengths.get(iban.slice(0, 2)) !== iban.length || !/^[A-Z]{2}\d{2}[A-Z0-9]+$/.test(iban))
    return false;
  let remainder = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}

export function findIbans(text: string): Span[] {
  const spans: Span[] = [];
  const opening = /[a-z]{2}\d{2}(?=[ -]?[a-z0-9]{4})/gi;
  for (let match = opening.exec(text); match; match = opening.exec(text)) {
    const start = match.index;
    const length = ibanLengths.get(match[0].slice(0, 2).toUpperCase());
    if (!length) continue;
    let compact = "";
    let end = start;
    while (end < text.length && compact.length < length) {
      const character = text[end]!;
      if (/[a-z0-9]/i.test(character)) compact += character;
      else if (!(character === " " || character === "-") || compact.length % 4 !== 0) break;
      end++;
    }
    if (!free(text, start, end) || !isIban(compact)) continue;
    spans.push({ start, end });
    opening.lastIndex = end;
  }
  return spans;
}

/** Luhn's check over a text of digits. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}

/** First digits and lengths of the issuers. */
const issuers: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720))/, [16]],
  [/^3[47]/, [15]],
  [/^(?:30[0-5]|3095|36|3[89])/, [14, 16]],
  [/^(?:6011|64[4-9]|65)/, [16, 19]],
  [/^35/, [16, 19]],
  [/^(?:1800|2131)/, [15]],
  [/^(?:50|5[6-9]|6)/, [12, 13, 14, 15, 16, 17, 18, 19]],
  [/^62/, [16, 17, 18, 19]],
];

export function findCards(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(/\d(?:[ -]?\d){11,18}/g)) {
    const start = match.index;
    const end = start + match[0].length;
    const before = text[start - 1];
    const after = text.slice(end, end + 2);
    if (!free(text, start, end) || /[-./=]/.test(before ?? " ") || /^[.-]\d/.test(after)) continue;
    if (match[0].includes(" ") && match[0].includes("-")) continue;
    const digits = match[0].replace(/[ -]/g, "");
    if (/^(\d)\1*$/.test(digits)) continue;
    if (
      issuers.some(([first, lengths]) => first.test(digits) && lengths.includes(digits.length)) &&
      passesLuhn(digits)
    )
      spans.push({ start, end });
  }
  return spans;
}

export function findSocialSecurityNumbers(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(/(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}/g)) {
    const start = match.index;
    const end = start + match[0].length;
    const beside = `${text[start - 1] ?? " "}${text[end] ?? " "}`;
    if (free(text, start, end) && !/[-.]./.test(beside) && !/^-\d/.test(text.slice(end, end + 2)))
      spans.push({ start, end });
  }
  return spans;
}

const northAmerican = /^(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}$/;
const calling =
  /(?:^|[^\p{L}])(?:tel|telephone|phone|phones|call|fax|mobile|mob|cell|whatsapp|sms|text|hotline|contact|dial|ring|ph|desk|office|home|work|answering at|messages to|tél|telefon|teléfono|telefono|téléphone|handy)[\s.:#-]*(?:(?:us|me|now|today|at|on|number|no|is|numbers)[\s.:#-]*){0,3}$/iu;

const naming = /^[\s-]{0,2}(?:office|fax|mobile|cell|desk|phone|tel)(?![\p{L}])/iu;

export function findPhones(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(
    /(?:\+|\()?\d(?:[ \t]?[-./()]{0,2}[ \t]?\d){5,16}(?:[ ]?(?:x|ext\.?)[ ]?\d{1,5})?/gi,
  )) {
    const start = match.index;
    const end = start + match[0].length;
    if (!free(text, start, end) || /^[-.]\d/.test(text.slice(end, end + 2))) continue;
    if (/[\d.$€£]/.test(text[start - 1] ?? " ")) continue;
    const number = match[0].replace(/[ ]?(?:x|ext\.?)[ ]?\d{1,5}$/i, "");
    if (/\d{4}-\d{2}-\d{2}/.test(number)) continue;
    const digits = number.replace(/\D/g, "").length;
    const international = /^(?:\+|00)[1-9]/.test(number) && digits >= 8 && digits <= 17;
    const found =
      international ||
      northAmerican.test(number) ||
      (digits >= 6 &&
        digits <= 15 &&
        (calling.test(text.slice(Math.max(0, start - 40), start)) || naming.test(text.slice(end, end + 12))));
    if (found) spans.push({ start, end });
  }
  return spans;
}
