package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// lastCallbacks is how long a sidecar that drains stays after its last call: Twilio tells the call's
// end a moment later, and by default only once.
const lastCallbacks = 2 * time.Second

// drain lets calls end, within the drain timeout. New calls are still answered: whoever rings now
// has nobody else.
func (s *sidecar) drain(ctx context.Context) {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, s.config.DrainTimeout)
	defer cancel()
	if s.voice.OpenCalls() == 0 {
		return
	}
	s.voice.Drain(ctx)
	select { // for the callbacks of the calls that have just ended
	case <-time.After(lastCallbacks):
	case <-ctx.Done():
	}
}

// quiesce ends serving: first no new requests, then the last events are written. It is done once.
func (s *sidecar) quiesce() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.quiesced.Do(func() {
		var errs []error
		if s.publicSrv != nil {
			s.events.Close(ctx)
			s.pages.Close()
		}
		for _, server := range []*http.Server{s.publicSrv, s.opsSrv} {
			if server != nil {
				errs = append(errs, server.Shutdown(ctx))
			}
		}
		if s.publicSrv == nil { // never served
			errs = append(errs, s.public.Close(), s.ops.Close())
		}
		if s.stopSending != nil {
			s.stopSending(ctx)
		}
		if s.recorder != nil {
			errs = append(errs, s.recorder.Close(ctx))
		}
		if s.closeSpool != nil {
			errs = append(errs, s.closeSpool())
		}
		s.quiesceErr = errors.Join(errs...)
	})
	return s.quiesceErr
}

// close undoes start, in reverse.
func (s *sidecar) close() error {
	errs := []error{s.quiesce()}
	if s.stop != nil {
		s.stop()
	}
	s.background.Wait()
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	for _, pool := range []*pgxpool.Pool{s.door, s.tenantPool} {
		if pool != nil {
			pool.Close()
		}
	}
	if s.db != nil {
		errs = append(errs, s.db.close())
	}
	return errors.Join(errs...)
}
