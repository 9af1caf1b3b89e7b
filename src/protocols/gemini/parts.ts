/** Turns and their parts, as they are written. */

export interface Part {
  readonly text?: string;
  readonly thought?: true;
  readonly thoughtSignature?: string;
  readonly inlineData?: { readonly mimeType: string; readonly data: string };
  readonly fileData?: { readonly mimeType?: string; readonly fileUri: string };
  readonly functionCall?: { readonly id?: string; readonly name: string; readonly args: Readonly<Record<string, unknown>> };
  readonly functionResponse?: { readonly id?: string; readonly name: string; readonly response: Readonly<Record<string, unknown>> };
  /** Parts of the provider's own making, as they came. */
  readonly [other: string]: unknown;
}

export interface Content {
  readonly role: 'user' | 'model';
  readonly parts: readonly Part[];
}
