/** How places that speak generateContent differ, as fields of a catalog row. */

export interface GeminiQuirks {
  /**
   * The API of Google Cloud (Vertex AI), not the Gemini API: models stand behind `/publishers/google`, labels are taken,
   * calls have no ids, and files are told by `gs://` addresses.
   */
  readonly vertex?: boolean;
  /** How long the models think is said in tokens, in levels, or not at all; told from the model's name where absent. */
  readonly thinking?: 'budget' | 'level' | 'none';
  /** Answers requests with `n` above 1 (`candidateCount`). False where absent: since Gemini 3 the Gemini API refuses them. */
  readonly severalChoices?: boolean;
  /** Fetches files by their http(s) address. Where absent: the Gemini API does since Gemini 2.5, Vertex AI not without their type. */
  readonly imageUrls?: boolean;
  /** Takes the ids of calls and of their results. Where absent: the Gemini API does, Vertex AI refuses them. */
  readonly callIds?: boolean;
  /** Reports log probabilities; told from place and model where absent. */
  readonly logprobs?: boolean;
  /** Takes presence and frequency penalties; told from place and model where absent. */
  readonly penalties?: boolean;
  /** Takes system instructions. Where absent: all models but Gemma and those that draw. */
  readonly systemInstruction?: boolean;
  /** Takes functions together with JSON answers or searches; since Gemini 3 where absent. */
  readonly toolsTogether?: boolean;
  /** Asks for the arguments of calls as they are made (`streamFunctionCallArguments`; Vertex AI, since Gemini 3). */
  readonly streamArguments?: boolean;
  /** Takes `labels`, which is where metadata goes. Where absent: Vertex AI does. */
  readonly labels?: boolean;
}
