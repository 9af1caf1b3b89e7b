/**
 * What providers charge for tools that they run themselves, beside the tokens: US dollars for a thousand runs, or for a thousand
 * requests in which the tool ran. Tools as `Usage.providerTools` names them. From the providers' pages of prices, November 2026;
 * what is charged by the hour (containers that run code) is left out, and so is what is free up to some number a day or a month.
 */
import type { Pricing } from '../../core/call.ts';

export type Fees = Pick<Pricing, 'tools' | 'toolRequests'>;

const CLAUDE: Fees = { tools: { web_search: 10, web_fetch: 0 } };
const GEMINI: Fees = { tools: { web_search: 14 } };
/** By the request that was grounded, however many searches it took. */
const GEMINI_2: Fees = { toolRequests: { web_search: 35 } };

interface FeeRule {
  readonly model: RegExp;
  readonly fees: Fees;
}

/** By the rows of the catalog; the first whose pattern fits the model's name. */
const FEES: Readonly<Record<string, readonly FeeRule[]>> = {
  anthropic: [{ model: /claude/, fees: CLAUDE }],
  // a search is of the kind that costs the same for all models: not the preview of it
  openai: [{ model: /./, fees: { tools: { web_search: 10, file_search: 2.5, mcp: 0 } } }],
  google: [
    { model: /gemini-[12]\b/, fees: GEMINI_2 },
    { model: /gemini/, fees: GEMINI },
  ],
  vertex: [
    { model: /claude/, fees: CLAUDE },
    { model: /gemini-[12]\b/, fees: GEMINI_2 },
    { model: /gemini/, fees: GEMINI },
  ],
  xai: [
    {
      model: /./,
      fees: {
        tools: {
          web_search: 5,
          x_search: 5,
          code_execution: 5,
          code_interpreter: 5,
          attachment_search: 10,
          collections_search: 2.5,
          file_search: 2.5,
          mcp: 0,
        },
      },
    },
  ],
  perplexity: [
    { model: /./, fees: { tools: { web_search: 2.5, image_search: 2.5, fetch_url: 0.5, people_search: 5, finance_search: 5 } } },
  ],
};

/** The fees of a model at the provider of that row; nothing where none is known. */
export function feesOf(row: string, model: string): Fees {
  const rules = Object.hasOwn(FEES, row) ? (FEES[row] ?? []) : [];
  return rules.find((rule) => rule.model.test(model))?.fees ?? {};
}
