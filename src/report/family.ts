/** The operator families of KernelBench levels 1 and 2, told from a problem's name; the first that fits wins. */
const families: readonly (readonly [string, RegExp])[] = [
  ['convolution', /conv/i],
  ['attention', /attention|transformer|gpt|vit/i],
  ['loss', /loss|divergence/i],
  ['normalisation', /norm(?!al distribution)|rms/i],
  ['softmax', /softmax/i],
  ['pooling', /pool/i],
  ['scan', /cumsum|cumprod|scan/i],
  ['matmul', /mat(mul|rix)|gemm|bmm|linear|mlp/i],
  ['reduction', /sum|mean|max|min|prod|argm|reduc|l[12]_/i],
  ['activation', /relu|elu|sigmoid|tanh|swish|silu|softplus|softsign|hardtanh|mish/i],
];

export function familyOf(problemName: string): string {
  return families.find(([, pattern]) => pattern.test(problemName))?.[0] ?? 'other';
}
