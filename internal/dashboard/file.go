package dashboard

import (
	"net/http"
	"time"

	"ringside/internal/problem"
)

// exports bounds how many files are sent at the same time: each holds a connection to the database,
// which callers need too.
var exports = make(chan struct{}, 3)

// lateFile sends the header of a CSV file with its first byte, so that what fails before is still
// answered with a page.
type lateFile struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

// Write implements [io.Writer].
func (l *lateFile) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		h := l.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+l.name+`.csv"`)
	}
	// A browser that does not read must not hold what the file is read from.
	if err := http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}

// csv answers with a file that fill writes.
func (v *visit) csv(name string, fill func(to *lateFile) error) error {
	select {
	case exports <- struct{}{}:
		defer func() { <-exports }()
	default:
		return problem.New(problem.CodeUnavailable, "Several files are being made just now. Try again in a moment.")
	}
	to := &lateFile{w: v.w, name: name}
	err := fill(to)
	if err != nil && to.begun { // the browser sees a download that breaks off
		v.Log.Warn("a file could not be sent whole", "path", v.route.path, "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}
