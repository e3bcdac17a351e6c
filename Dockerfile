# The environment and one commit of this repository: docker build --tag study .
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home reader && install --directory --owner=reader --group=reader /study
USER reader
WORKDIR /study
# The packages first: they change less often than the code.
COPY --chown=reader:reader Makefile requirements.txt requirements-torch.txt requirements-torch-cpu.txt ./
RUN git init --quiet && make .venv/installed && rm -r .git
COPY --chown=reader:reader .git .git
RUN git reset --quiet --hard && make .venv/installed
ENV PATH=/study/.venv/bin:$PATH
CMD ["make"]
