package ledger

// What the tests apply and measure beside the recorder.
var Apply = apply

// The recorder's bounds.
const (
	MaxWaiting      = maxWaiting
	MaxWaitingBytes = maxWaitingBytes
	MaxBatch        = maxBatch
	MaxBatchBytes   = maxBatchBytes
)
