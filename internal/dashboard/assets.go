package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// Styles, scripts and pictures. What is below assets/vendor comes from the npm registry when the
// program is built with make, and is not there after a plain go build: the pages then work by forms
// alone. A placeholder keeps the folder.
//
//go:embed all:assets
var assetFiles embed.FS

// assetsPath is where they are served.
const assetsPath = "/assets/"

// assets serves the files by addresses that change with their content, so that browsers keep them
// for as long as they like.
type assets struct {
	byAddress map[string]asset
	addresses map[string]string // by name
}

// asset is a file as it is sent.
type asset struct {
	kind           string
	plain, gzipped []byte
}

// loadAssets reads the files, once for all dashboards of the process.
var loadAssets = sync.OnceValue(func() *assets {
	a := &assets{byAddress: map[string]asset{}, addresses: map[string]string{}}
	err := fs.WalkDir(assetFiles, "assets", func(file string, entry fs.DirEntry, err error) error {
		kind := mime.TypeByExtension(path.Ext(file))
		if err != nil || entry.IsDir() || kind == "" || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, "assets/")
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		address := assetsPath + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.addresses[name] = address
		a.byAddress[address] = asset{kind: kind, plain: content, gzipped: gzipped(content)}
		return nil
	})
	if err != nil {
		panic(err) // they are part of the program
	}
	return a
})

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one
	_, _ = w.Write(content)                               // into memory
	_ = w.Close()
	return b.Bytes()
}

// has reports whether the program was built with a file.
func (a *assets) has(name string) bool { return a.addresses[name] != "" }

// path is the address of a file, or "" if the program was built without it.
func (a *assets) path(name string) string { return a.addresses[name] }

// ServeHTTP implements [http.Handler].
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byAddress[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(file.gzipped) < len(body) {
		h.Set("Content-Encoding", "gzip")
		body = file.gzipped
	}
	_, _ = w.Write(body) // the browser has gone
}
