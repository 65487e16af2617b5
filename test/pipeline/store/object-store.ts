/** The store that tests talk to: Swift's S3 interface on this machine (.ci/install-object-store.sh), one bucket a test. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";

const endpoint = process.env["CURATE_TEST_S3"] ?? "http://127.0.0.1:9080";

Object.assign(process.env, {
  AWS_ENDPOINT_URL_S3: endpoint,
  AWS_ACCESS_KEY_ID: process.env["AWS_ACCESS_KEY_ID"] ?? "test:tester",
  AWS_SECRET_ACCESS_KEY: process.env["AWS_SECRET_ACCESS_KEY"] ?? "testing",
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
});

const up = await fetch(endpoint).then(
  () => true,
  () => false,
);

let made = 0;

/** A new bucket, or null after a skip where no store is up. */
export async function bucket(t: TestContext): Promise<string | null> {
  if (!up) {
    const why = `no object store at ${endpoint} (.ci/install-object-store.sh starts one)`;
    assert.notEqual(process.env["CI"], "true", why);
    t.skip(why);
    return null;
  }
  const name = `curate-test-${process.pid}-${Date.now().toString(36)}-${made++}`;
  const { S3Client, CreateBucketCommand } = await import("@aws-sdk/client-s3");
  const client = new S3Client({ region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
  return name;
}
