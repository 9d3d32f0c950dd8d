"""Make tiny random checkpoints, in an interpreter that has the library.

``python checkpoints.py make NAME FOLDER SEED`` writes one as the library itself saves
it. ``python checkpoints.py serve NAME FOLDER`` is ``python -m chronotick.backends NAME
--weights FOLDER``, with TimesFM 2.5 cut down to the same tiny size: its library has the
200 million parameters written into the class.
"""

# Every import of a library is where that library is: no interpreter has them all.
# ruff: noqa: PLC0415

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

SIZE = 16


def fracast(folder: Path) -> None:
    """Save the shipped configuration with other weights."""
    import fracast as library
    from fracast.inference import load_fracast
    from safetensors.torch import save_file

    shipped = Path(library.__file__).parent / "weights"
    core, head = load_fracast(shipped, weights="fp32")
    state = {f"core.{k}": v for k, v in core.state_dict().items()}
    state |= {f"head.{k}": v for k, v in head.state_dict().items()}
    noisy = {
        name: (value + 0.01 * torch.randn_like(value)).contiguous()
        if value.is_floating_point()
        else value.contiguous()
        for name, value in state.items()
    }
    save_file(noisy, str(folder / "model.safetensors"))
    shutil.copy(shipped / "config.json", folder)


def chronos(folder: Path) -> None:
    """Save a T5 of a few thousand parameters with Chronos-Bolt's head."""
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    config = T5Config(
        d_model=SIZE,
        d_kv=SIZE // 2,
        d_ff=2 * SIZE,
        num_layers=1,
        num_decoder_layers=1,
        num_heads=2,
        vocab_size=2,
        pad_token_id=0,
        decoder_start_token_id=0,
        feed_forward_proj="relu",
    )
    config.architectures = ["ChronosBoltModelForForecasting"]
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    config.chronos_config = {
        "context_length": 512,
        "prediction_length": 16,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [k / 10 for k in range(1, 10)],
        "use_reg_token": True,
    }
    ChronosBoltModelForForecasting(config).save_pretrained(folder)


def timesfm(folder: Path) -> None:
    """Save a cut down TimesFM 2.5."""
    from timesfm import TimesFM_2p5_200M_torch

    cut_down_timesfm()
    TimesFM_2p5_200M_torch(torch_compile=False).save_pretrained(folder)


def cut_down_timesfm() -> None:
    """Make the library's 2.5 class tiny; patch lengths and quantiles stay."""
    from timesfm.timesfm_2p5 import timesfm_2p5_torch

    module = timesfm_2p5_torch.TimesFM_2p5_200M_torch_module
    whole = module.config
    stack = whole.stacked_transformers

    def narrow(block: Any, outputs: int) -> Any:
        return dataclasses.replace(
            block, input_dims=SIZE, hidden_dims=SIZE, output_dims=outputs
        )

    module.config = dataclasses.replace(
        whole,
        tokenizer=dataclasses.replace(
            whole.tokenizer, hidden_dims=SIZE, output_dims=SIZE
        ),
        stacked_transformers=dataclasses.replace(
            stack,
            num_layers=1,
            transformer=dataclasses.replace(
                stack.transformer, model_dims=SIZE, hidden_dims=SIZE, num_heads=2
            ),
        ),
        output_projection_point=narrow(whole.output_projection_point, 1280),
        output_projection_quantiles=narrow(whole.output_projection_quantiles, 10240),
    )


def ttm(folder: Path) -> None:
    """Save a mixer with two layers."""
    from tsfm_public.models.tinytimemixer import (
        TinyTimeMixerConfig,
        TinyTimeMixerForPrediction,
    )

    config = TinyTimeMixerConfig(
        context_length=512,
        prediction_length=96,
        patch_length=64,
        patch_stride=64,
        d_model=SIZE,
        num_layers=2,
        decoder_num_layers=1,
        decoder_d_model=SIZE,
        use_decoder=True,
    )
    TinyTimeMixerForPrediction(config).save_pretrained(folder)


def main() -> int:
    """Do what the command line says."""
    what, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if what == "serve":
        from chronotick.backends.__main__ import main as serve

        if name == "timesfm":
            cut_down_timesfm()
        return serve([name, "--weights", str(folder), "--device", "cpu"])
    torch.manual_seed(int(sys.argv[4]))
    {"fracast": fracast, "chronos": chronos, "timesfm": timesfm, "ttm": ttm}[name](
        folder
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
