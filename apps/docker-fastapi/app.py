"""An API that summarises numbers, and a page that uses it."""

import hmac
import os
import statistics
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

DECIMALS = int(os.environ.get("DECIMALS", "3"))  # a variable: everybody may see it
API_KEY = os.environ.get("API_KEY", "")  # a secret: compared here, and shown nowhere
FREE = 100  # numbers that may be asked for without the key
PAGE = Path(__file__).with_name("page.html")

app = FastAPI(title="Summaries", description="The summary of a list of numbers", version="1.0")


class Numbers(BaseModel):
    """What to summarise."""

    numbers: list[float] = Field(min_length=1, max_length=100_000, examples=[[1, 2, 4]])


class Summary(BaseModel):
    """What was found; *spread* is the population's standard deviation."""

    count: int
    mean: float
    median: float
    spread: float


class Machine(BaseModel):
    """What the Space was given to run on."""

    space: str
    cpu_cores: str
    memory: str
    decimals: int
    key_is_set: bool


@app.get("/", include_in_schema=False)
def page() -> FileResponse:
    """The page."""
    return FileResponse(PAGE, media_type="text/html")


@app.get("/healthz")
def healthz() -> dict[str, str]:
    """Say that the app is up."""
    return {"status": "ok"}


@app.get("/api/machine")
def machine() -> Machine:
    """What this Space runs on, and whether its secret is there."""
    return Machine(
        space=os.environ.get("SPACE_ID", "not told"),
        cpu_cores=os.environ.get("CPU_CORES", "not told"),
        memory=os.environ.get("MEMORY", "not told"),
        decimals=DECIMALS,
        key_is_set=bool(API_KEY),
    )


@app.post("/api/summaries")
def summarise(asked: Numbers, x_api_key: Annotated[str, Header()] = "") -> Summary:
    """Summarise the numbers; more than 100 of them need the key."""
    # compare_digest takes as long for a wrong key as for a nearly right one.
    known = bool(API_KEY) and hmac.compare_digest(x_api_key.encode(), API_KEY.encode())
    if len(asked.numbers) > FREE and not known:
        raise HTTPException(403, f"More than {FREE} numbers need the key, as X-API-Key")
    return Summary(
        count=len(asked.numbers),
        mean=round(statistics.fmean(asked.numbers), DECIMALS),
        median=round(statistics.median(asked.numbers), DECIMALS),
        spread=round(statistics.pstdev(asked.numbers), DECIMALS),
    )
