/** What TypeScript is told of `node.mjs`. */
export const NODE_MAJOR: number;
export function findNode(): string | undefined;
export function nodeMissing(): string;
export function programArgs(program: string, args: readonly string[]): string[];
export function withCompileCache(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
export function becomeNode(node: string, args: readonly string[]): void;
