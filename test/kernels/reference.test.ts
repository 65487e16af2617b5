/**
 * The oracle itself: conformance of shape and memory, and every gradient against finite differences of its forward
 * op in float64 (central differences, step 1e-5, agreement to 1e-7).
 */
import { describe, test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import { conformance } from "./conformance.ts";
import { checkGradients, gradientCases } from "./gradients.ts";

describe("reference device", () => conformance(async () => openReference(), 1e-6));

describe("reference gradients equal finite differences", () => {
  for (const one of gradientCases) test(one.name, () => checkGradients(one));
});
