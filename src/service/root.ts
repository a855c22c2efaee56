/**
 * Puts one facade at the root, for clients that can be given a host and a port alone (NeMo-Gym), or whose paths are
 * those of the root (KernelGYM). The native API and the probes stay where they are, and so do the facade's own paths.
 */
export function fromRoot(url: string, facade: string | null): string {
  if (facade === null || /^\/(?:v1\/|livez\b|readyz\b)/.test(url) || url.startsWith(`/${facade}/`)) return url;
  return `/${facade}${url}`;
}
