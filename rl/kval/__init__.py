"""kval from Python: judge CUDA kernels over HTTP from any training loop."""

from kval.client import AsyncClient, Client
from kval.reply import Reply, ServiceError

__all__ = ["AsyncClient", "Client", "Reply", "ServiceError"]
