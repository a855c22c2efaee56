export const pagePolicy = "default-src 'none'";
export const page = '<!doctype html><title>kval</title>';
