/** GTM fine-tuned on its authors' CUDA validator: Table 4 of arXiv 2512.04535. */
export const paper = {
  name: 'GTM, as published',
  compiled: { accuracy: 0.9065, precision: 0.9365, recall: 0.8728, f1: 0.9035 },
  correct: { accuracy: 0.9602, precision: 0.9464, recall: 0.7114, f1: 0.8123 },
  runtime: { presence: 0.9945, n: 298, meanMs: 7.04, medianMs: 0.1 },
} as const;

export const paperCaveat =
  '"GTM, as published" is Table 4 of arXiv 2512.04535 on its own data. It names neither its split nor its version of the problem sizes, so the row is a landmark, not a rival.';
