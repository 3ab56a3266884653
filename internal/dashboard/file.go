package dashboard

import (
	"net/http"
)

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
	return l.w.Write(p)
}

// csv answers with a file that fill writes.
func (v *visit) csv(name string, fill func(to *lateFile) error) error {
	to := &lateFile{w: v.w, name: name}
	err := fill(to)
	if err != nil && to.begun { // the browser sees a download that breaks off
		v.Log.Warn("a file could not be sent whole", "path", v.route.path, "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}
