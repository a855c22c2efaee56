/**
 * Who wrote a candidate, as far as the publication says. In this order:
 *
 * 1. what the row or the run's `generation_config.yaml` states (`generator`, `model`, `model_name`), without the provider
 *    in front: `openai/Kimi-K2-0905` is `Kimi-K2-0905`;
 * 2. `..._model_<name>` in the run's name: `level_2_backend_cuda_model_Kimi-K2-0905`;
 * 3. what stands before `_level<N>` in it: `gemini_level1_run` is `gemini`, `opus4_level2_20250903` is `opus4`;
 * 4. the last part of the source: `deepreinforce-ai/CUDA-L1` is `CUDA-L1` (its runs are named after GPUs);
 * 5. `unknown`.
 */
export function generatorOf(said: { stated?: string | null; run?: string | null; source?: string | null }): string {
  if (said.stated) return lastPart(said.stated);
  const run = said.run ?? '';
  const named = /(?:^|_)model_(.+)$/.exec(run)?.[1] ?? /^(.+?)[_-]level[_-]?\d/i.exec(run)?.[1];
  if (named) return named;
  return lastPart(said.source ?? '') || 'unknown';
}

function lastPart(name: string): string {
  return name.trim().replace(/\/+$/, '').split('/').at(-1) ?? '';
}
