/** What a simulator may know of a job: texts, and where somebody measured it, device and the reference's runtime. */
export interface JobText {
  readonly problem: string;
  readonly level: number;
  readonly candidate: string;
  readonly language: 'python' | 'cuda';
  readonly device: string | null;
  readonly referenceRuntimeMs: number | null;
}

/** The names of torch operators in a problem: what follows `torch.`, `nn.` or `F.`. */
export function problemOperators(problem: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const match of problem.matchAll(/\b(?:torch|nn|F|functional)\.([A-Za-z_]\w+)/g)) {
    const name = match[1] ?? '';
    if (!/^(Tensor|Module|randn?|nn|functional|device|Parameter)$/.test(name))
      found.set(name, (found.get(name) ?? 0) + 1);
  }
  return found;
}
