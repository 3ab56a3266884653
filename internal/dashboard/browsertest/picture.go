package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// folderVariable names a folder that all pictures are written to as well.
const folderVariable = "RINGSIDE_SCREENSHOTS"

// tallest is how much of a long page is in its picture, in pixels.
const tallest = 3000

// Picture writes a picture of the whole page to the test's artifacts: `go test -artifacts` keeps
// them. With RINGSIDE_SCREENSHOTS set it is also written to that folder.
func (tab *Tab) Picture(name string) {
	tab.t.Helper()
	scheme := "light"
	if tab.options.Dark {
		scheme = "dark"
	}
	tab.picture(name + "-" + tab.options.Screen.Name + "-" + scheme)
}

func (tab *Tab) picture(name string) {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	image, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		size, err := cdp.Call(ctx, t, page.GetLayoutMetrics, cdp.Empty{})
		if err != nil {
			return nil, err
		}
		whole := &page.Viewport{Width: float64(tab.options.Screen.Width), Height: min(max(size.CSSContentSize.Height, float64(tab.options.Screen.Height)), tallest), Scale: 1}
		beyond := true
		shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, Clip: whole, CaptureBeyondViewport: &beyond})
		return shot.Data, err
	})
	if err != nil {
		tab.t.Errorf("take a picture of the page: %v", err)
		return
	}
	folders := []string{tab.t.ArtifactDir()}
	if folder := os.Getenv(folderVariable); folder != "" {
		folders = append(folders, folder)
	}
	for _, folder := range folders {
		if err := os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644); err != nil {
			tab.t.Errorf("keep a picture of the page: %v", err)
		}
	}
}

// Weigh opens a page as somebody who was never here does, with nothing in the cache, and returns how
// many bytes came over the wire for it.
func (tab *Tab) Weigh(path string) int {
	tab.t.Helper()
	tab.cache(false)
	defer tab.cache(true)
	tab.Open(path)
	deadline := time.After(patience)
	for {
		bytes, coming := tab.watch.weighed()
		if len(coming) == 0 {
			return bytes
		}
		select {
		case <-deadline:
			tab.t.Fatalf("%s still waits for %q", path, coming)
		case <-time.After(retryPause):
		}
	}
}

func (tab *Tab) cache(on bool) {
	tab.t.Helper()
	if _, err := chromedp.Call(tab.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: !on}); err != nil {
		tab.t.Fatalf("switch the browser's cache: %v", err)
	}
}
