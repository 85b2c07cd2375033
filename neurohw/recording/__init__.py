"""What a run left behind: spikes, traces, streamed statistics, overflow ledger; and its file."""

from neurohw.recording.record import LedgerEntry, Recording, headroom

__all__ = ["LedgerEntry", "Recording", "headroom"]
