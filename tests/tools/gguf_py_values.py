"""CRC-32 of the fp32 values that gguf-py decodes from each tensor of GGUF files.

Takes the paths as arguments, gguf-py from $LLAMA_CPP; writes JSON: for each file, name to checksum, null where gguf-py has no decoder.
"""

import json
import os
import sys
import zlib

sys.path.insert(0, os.environ["LLAMA_CPP"] + "/gguf-py")
import gguf  # noqa: E402
import numpy  # noqa: E402


def checksum(tensor):
    with numpy.errstate(all="ignore"):  # a scale that fits no fp16 is drawn again by whoever made the file
        try:
            return zlib.crc32(gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("<f4").tobytes())
        except NotImplementedError:
            return None


json.dump([{t.name: checksum(t) for t in gguf.GGUFReader(path).tensors} for path in sys.argv[1:]], sys.stdout)
