/** A kernel of a family as it is written down: for which problem, by which schedule. */
export interface FamilyKernel {
  readonly family: string;
  /** A starter problem's id. */
  readonly problemId: string;
  /** The choices that make it, such as `shared tile 16, unrolled`. */
  readonly schedule: string;
  readonly source: string;
}

/** The Python side of a problem: how its model is constructed, and how the extension is called. */
export interface Host {
  /** Parameters of `__init__`, with their types. */
  readonly parameters?: string;
  /** Lines of `__init__`: the same parameters and buffers as in the reference, in the same order. */
  readonly setup?: readonly string[];
  /** Parameters of `forward`. */
  readonly forward: string;
  /** Arguments of the extension's function. */
  readonly call: string;
  /** What is done to its result. */
  readonly after?: string;
}

export interface Extension {
  readonly name: string;
  readonly cuda: string;
  /** The head of the exported function, without a semicolon. */
  readonly signature: string;
}

const layouts = ['flat', 'flags', 'function', 'two texts'] as const;

/** A candidate's file. `turn` chooses one of the ways in which people lay such a file out. */
export function pythonModule(extension: Extension, host: Host, turn: number): string {
  const layout = layouts[turn % layouts.length] ?? 'flat';
  const { name, cuda, signature } = extension;
  const entry = /(\w+)\(/.exec(signature)?.[1] ?? name;
  const call = `${name}.${entry}(${host.call})${host.after ?? ''}`;
  const head = 'import torch\nimport torch.nn as nn\nfrom torch.utils.cpp_extension import load_inline\n';
  const setup = ['super().__init__()', ...(host.setup ?? [])].map((line) => `        ${line}`).join('\n');
  const model = `class ModelNew(nn.Module):
    def __init__(self${host.parameters === undefined ? '' : `, ${host.parameters}`}):
${setup}

    def forward(self, ${host.forward}):
        return ${call}
`;
  switch (layout) {
    case 'flat':
      return `${head}\nsource = r"""\n${cuda}"""\n\n${name} = load_inline(\n    name="${name}",\n    cpp_sources="${signature};",\n    cuda_sources=source,\n    functions=["${entry}"],\n)\n\n\n${model}`;
    case 'flags':
      return `${head}\ncuda_source = """\n${cuda.replace(/\\/g, '\\\\')}"""\n\ncpp_source = "${signature};"\n\n${name} = load_inline(\n    name="${name}",\n    cpp_sources=[cpp_source],\n    cuda_sources=[cuda_source],\n    functions=["${entry}"],\n    extra_cuda_cflags=["-O3"],\n    verbose=False,\n)\n\n\n${model}`;
    case 'function':
      return `${head}\n\ndef build():\n    kernel = r"""\n${cuda}"""\n    return load_inline(\n        name="${name}",\n        cpp_sources="${signature};",\n        cuda_sources=kernel,\n        functions=["${entry}"],\n        with_cuda=True,\n    )\n\n\n${name} = build()\n\n\n${model}`;
    case 'two texts': {
      const [kernels, wrapper] = splitAtWrapper(cuda, signature);
      return `${head}\nKERNELS = r"""\n${kernels}"""\n\nWRAPPER = r"""\n${wrapper}"""\n\n${name} = load_inline(\n    name="${name}",\n    cpp_sources="${signature};",\n    cuda_sources=KERNELS + WRAPPER,\n    functions=["${entry}"],\n)\n\n\n${model}`;
    }
  }
}

function splitAtWrapper(cuda: string, signature: string): [string, string] {
  const place = cuda.indexOf(signature);
  return place < 0 ? [cuda, ''] : [cuda.slice(0, place), cuda.slice(place)];
}

export const includes = '#include <torch/extension.h>\n#include <cuda_runtime.h>\n\n';

/** Every combination of the choices. */
export function combinations<T extends Record<string, readonly unknown[]>>(
  choices: T,
): { [K in keyof T]: T[K][number] }[] {
  const rows = Object.entries(choices).reduce<Record<string, unknown>[]>(
    (made, [name, values]) => made.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  );
  return rows as { [K in keyof T]: T[K][number] }[];
}

export function lines(...parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null).join('\n');
}
