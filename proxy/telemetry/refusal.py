"""Refusals: the closed set of reasons for which a client is refused that takes more than it may."""

from enum import Enum


class Refusal(Enum):
    """Why a client was refused or cut off: the label `reason` of `noclobber_refusals_total`."""

    LINE = "line-too-long"
    FIELDS = "fields-too-large"
    BODY = "body-too-large"
    SLOW_HEAD = "head-too-slow"
    SLOW_BODY = "body-too-slow"
    SLOW_READER = "reader-too-slow"
    CONNECTIONS = "too-many-connections"
    IN_FLIGHT = "too-many-in-flight"
    WAITERS = "too-many-waiters"
    PRINCIPAL = "too-many-writes-of-one-principal"
