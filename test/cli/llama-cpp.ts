/**
 * A process that asks llama.cpp to go on with a text, greedily: its native part stays out of the test's own process.
 * Arguments: the module's file, the text, GGUF files. Prints a JSON object for each file, one a line.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

type Token = number;
type LlamaCpp = {
  readonly LlamaLogLevel: { readonly error: unknown };
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      readonly tokens: { readonly bos: Token; readonly shouldPrependBosToken: boolean };
      tokenize(text: string): Token[];
      dispose(): Promise<void>;
      createContext(options: object): Promise<{
        getSequence(): { evaluate(tokens: Token[], options: object): AsyncIterable<Token> };
      }>;
    }>;
    dispose(): Promise<void>;
  }>;
};

const [path, text, ...files] = process.argv.slice(2) as [string, string, ...string[]];
const module = (await import(pathToFileURL(path).href)) as LlamaCpp;
const { version } = JSON.parse(readFileSync(join(path, "..", "..", "package.json"), "utf8"));
const llama = await module.getLlama({ gpu: false, build: "never", logLevel: module.LlamaLogLevel.error });
for (const modelPath of files) {
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 64, threads: 1 });
  const prompt = model.tokenize(text);
  const ids: Token[] = [];
  const { bos, shouldPrependBosToken } = model.tokens;
  for await (const token of context.getSequence().evaluate([bos, ...prompt], { temperature: 0 })) {
    if (ids.push(token) === 32) break;
  }
  await model.dispose();
  process.stdout.write(`${JSON.stringify({ version, bos: shouldPrependBosToken, prompt, ids })}\n`);
}
await llama.dispose();
