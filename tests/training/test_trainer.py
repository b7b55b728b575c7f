"""CubeTrainer: the quick start as printed, any form of configuration, and a saved cube that comes back the same."""

import json
import re

import pytest
import torch
import yaml
from small_cubes import DIM, small, vectors

from cubelib import (
    AutoencoderDataset,
    CubeTrainer,
    CubicCore,
    DialogueDataset,
    EmbeddingReshaper,
    TeacherEncoder,
    TrainingConfig,
)
from cubelib.errors import CheckpointError, ConfigError, DataError
from cubelib.files import read_sealed, write_sealed
from cubelib.training.checkpoint import FORMAT


def briefly_trained(**changes) -> CubeTrainer:
    trainer = CubeTrainer(small(mode="dialogue", epochs=2, **changes))
    trainer.initialize_components()
    train, validation = (DialogueDataset(vectors(n, 1), vectors(n, 1).roll(1, 1)) for n in (100, 40))
    trainer.fit(train, validation, progress=False)
    return trainer


def test_the_quick_start_works_as_printed():
    config = TrainingConfig(mode="autoencoder", lattice_size=[8, 8, 8], learning_rate=0.001, epochs=50, batch_size=32)
    trainer = CubeTrainer(config=config)
    components = ("embedding_processor", "embedding_reshaper", "embedding_loader")
    assert [getattr(trainer, name) for name in components] == [None, None, None]
    assert trainer.get_info()["components_initialized"] is False
    with pytest.raises(
        ValueError, match=r"CubeTrainer.forward: there is no cube yet. Call initialize_components\(\) first"
    ):
        trainer.forward(torch.zeros(1, 768))
    trainer.initialize_components()
    kinds = [type(getattr(trainer, name)) for name in components]
    assert kinds == [CubicCore, EmbeddingReshaper, TeacherEncoder]
    info = trainer.get_info()
    expected = {
        "mode": "autoencoder",
        "device": "cpu",
        "lattice_size": [8, 8, 8],
        "embedding_dim": 768,
        "current_epoch": 0,
    }
    assert (
        info.items()
        >= {**expected, "components_initialized": True, "target_similarity": 0.9, "latent_dim": 256}.items()
    )
    assert {"optimizer", "loss_function"} <= info.keys() and json.loads(json.dumps(info)) == info
    input_embedding = torch.randn(3, 768)
    assert trainer.forward(input_embedding).shape == (3, 768)
    assert torch.allclose(trainer.forward(input_embedding[1]), trainer.forward(input_embedding)[1], atol=1e-6)


def test_a_config_may_be_an_object_a_dict_or_a_file(tmp_path):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"cube_training": small(epochs=3)}))
    configs = [TrainingConfig(**small(epochs=3)), small(epochs=3), tmp_path / "c.yaml", str(tmp_path / "c.yaml")]
    assert all(CubeTrainer(config).config == configs[0] for config in configs)
    assert CubeTrainer().config == TrainingConfig()
    assert CubeTrainer(configs[0], mode="dialogue", device="cpu").config.mode == "dialogue"
    assert configs[0].mode == "autoencoder"
    for bad in ({"mode": "x"}, {"device": "gpu9"}):
        with pytest.raises(ConfigError):
            CubeTrainer(small(), **bad)


def test_the_mode_can_be_changed_and_the_bottleneck_goes_with_it():
    trainer = CubeTrainer(small())
    trainer.initialize_components()
    assert trainer.get_info()["latent_dim"] == 64
    trainer.set_mode("dialogue")
    assert (trainer.get_info()["mode"], trainer.get_info()["latent_dim"]) == ("dialogue", None)
    with pytest.raises(ValueError, match="mode 'nonsense' is not known"):
        trainer.set_mode("nonsense")
    assert trainer.config.mode == "dialogue"


def test_a_saved_trainer_comes_back_with_the_same_predictions(tmp_path):
    trainer = briefly_trained(core={"layout": "spectral"})
    trainer.save(tmp_path / "checkpoint")
    loaded = CubeTrainer.load(tmp_path / "checkpoint")
    assert (loaded.config, loaded.training_history) == (trainer.config, trainer.training_history)
    assert loaded.current_epoch == trainer.current_epoch
    assert torch.equal(loaded.predict(vectors(300, 5)), trainer.predict(vectors(300, 5)))
    state = read_sealed(tmp_path / "checkpoint" / "checkpoint.json", FORMAT)
    for change, message in (({"epoch": 1}, "epoch: not a known key"), ({"embedding_dim": 64}, "tensors do not fit")):
        changed = {**state, "config": {**state["config"], **change}}
        write_sealed(tmp_path / "checkpoint" / "checkpoint.json", FORMAT, changed)
        with pytest.raises(CheckpointError, match=message):
            CubeTrainer.load(tmp_path / "checkpoint")


def test_predict_is_forward_in_batches_without_dropout_or_gradient():
    trainer = briefly_trained(core={"cell_dropout": 0.5})
    trainer.embedding_processor.train()
    found = trainer.predict(vectors(300, 5))
    assert torch.equal(found, trainer.predict(vectors(300, 5))) and not found.requires_grad
    assert trainer.embedding_processor.training
    trainer.embedding_processor.eval()
    torch.testing.assert_close(found, trainer.forward(vectors(300, 5)).detach(), rtol=0, atol=1e-6)
    assert trainer.predict(torch.empty(0, DIM)).shape == (0, DIM)


def test_another_width_is_named():
    trainer = CubeTrainer(small())
    trainer.initialize_components()
    with pytest.raises(ValueError, match="cannot lay 47 numbers"):
        trainer.forward(torch.zeros(2, DIM - 1))
    wide = AutoencoderDataset(torch.eye(64))
    with pytest.raises(
        DataError, match=re.escape("train data: the vectors have 64 numbers, embedding_dim is 48. Set embedding_")
    ):
        trainer.fit(wide, wide)
