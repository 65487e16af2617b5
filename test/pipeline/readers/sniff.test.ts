/**
 * Media types: what is believed, what is looked at, what is kept out.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { notHtml } from "../../../pipeline/readers/sniff.ts";
import { eventsOf, html, http, summary, warc } from "./archives.ts";

const document = "document http://example.org/";

async function read(
  body: string | Buffer,
  contentType: string | null,
  identified?: string,
  changes = {},
): Promise<string> {
  const block = http(body, contentType === null ? {} : { "Content-Type": contentType });
  const headers = identified === undefined ? {} : { "WARC-Identified-Payload-Type": identified };
  return summary(await eventsOf(warc({ block, headers }), changes))[0]!;
}

test("the crawler's finding goes before the server's word, the word before the bytes", async () => {
  assert.equal(await read(html("x"), "application/octet-stream", "text/html"), document);
  assert.equal(await read(html("x"), "text/html", "application/pdf"), "drop mime application/pdf");
  assert.equal(await read(html("x"), "text/plain"), "drop mime text/plain");
  assert.equal(await read(html("x"), 'Text/HTML; charset="utf-8"'), document);
  assert.equal(await read(html("x"), "application/xhtml+xml"), document);
  assert.equal(await read(html("x"), null), document);
  assert.equal(await read("plain text without any tag", null), "drop mime unknown");
  assert.equal(await read(html("x"), "nonsense"), document);
  assert.equal(await read(html("x"), "text/plain", undefined, { mime: null }), document);
  assert.equal(await read("anything", "text/plain", undefined, { mime: ["text/plain"] }), document);
});

for (const [name, body] of [
  ["pdf", Buffer.from("%PDF-1.7\n%\xe2\xe3", "latin1")],
  ["png", Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1")],
  ["gif", Buffer.from("GIF89a\x01\0\x01\0", "latin1")],
  ["jpeg", Buffer.from("\xff\xd8\xff\xe0\0\x10JFIF", "latin1")],
  ["zip", Buffer.from("PK\x03\x04\x14\0", "latin1")],
  ["gzip", Buffer.from("\x1f\x8b\x08\0\0", "latin1")],
  ["mp4", Buffer.from("\0\0\0\x18ftypmp42", "latin1")],
  ["binary", Buffer.from("<html>".repeat(20) + "\0\x01\x02\x03".repeat(40), "latin1")],
  ["json", Buffer.from('{"error": "not found", "status": 404}')],
  ["json", Buffer.from('\ufeff [ {"a": 1} ]')],
  ["feed", Buffer.from('<?xml version="1.0"?><rss version="2.0"><channel/></rss>')],
  ["feed", Buffer.from('<?xml version="1.0"?>\n<!-- map -->\n<urlset xmlns="x"></urlset>')],
] as const) {
  test(`${name} served as text/html is refused, and taken where sniffing is off`, async () => {
    assert.equal(await read(body, "text/html"), `drop not-html ${name}`);
    assert.equal(await read(body, "text/html", undefined, { sniff: false }), document);
  });
}

for (const [name, body] of [
  ["an XHTML page with an XML declaration", '<?xml version="1.0"?><html xmlns="x"><body>text</body></html>'],
  ["a page that begins with a bracket", "[Home] <a href='/'>back</a> <p>Text</p>"],
  ["a fragment without any head", "just some words and <b>bold</b>"],
  ["one stray control character", `<html><body>a\0b ${"word ".repeat(200)}</body></html>`],
  ["a page with an inline svg", '<html><body><svg viewBox="0 0 1 1"></svg></body></html>'],
  ["UTF-16 with a mark", Buffer.from("\ufeff<html><body>wide</body></html>", "utf16le")],
  ["UTF-16 without", Buffer.from("<html><body>wide</body></html>", "utf16le")],
  ["leading blanks", `\n\n   ${html("x")}`],
] as const) {
  test(`kept: ${name}`, () => assert.equal(notHtml(Buffer.from(body)), null));
}

test("an empty body is no page", async () => {
  assert.equal(await read("", "text/html"), "drop empty 0");
  assert.equal(await read("  \n ", "text/html"), "drop empty empty");
});
