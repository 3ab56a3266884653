package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What a data folder holds for the private server.
const (
	clusterName  = "postgres"          // the cluster: PostgreSQL's own files
	scratchName  = "postgres.new"      // a cluster that initdb has not finished
	locationName = "postgres.location" // names the folder that holds the cluster instead of this one
	socketName   = "socket"
	logName      = "postgres.log"
	superuser    = "ringside"
)

// systemHome is where root keeps the clusters of data folders that the server's user cannot reach.
const systemHome = "/var/lib/ringside"

// cluster is one private server's files: where they are, whose they are, what runs them.
type cluster struct {
	home     string // holds the cluster and its socket: the data folder, or one under systemHome
	account  account
	programs programs
}

func (c *cluster) dir() string { return filepath.Join(c.home, clusterName) }

// openDataDir makes the data folder if it is missing and returns its path without symbolic links, so
// that everybody who names it, however they do, means the same locks and the same socket.
func openDataDir(dataDir string) (string, error) {
	abs, err := filepath.Abs(dataDir)
	if err != nil {
		return "", fmt.Errorf("find the data folder %s: %w", dataDir, err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return "", fmt.Errorf("make the folder above the data folder: %w", err)
	}
	// Root's server runs as another user, who must be able to pass, but not to list.
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	switch err := os.Mkdir(abs, mode); {
	case err == nil:
		if err := os.Chmod(abs, mode); err != nil { // whatever the umask
			return "", fmt.Errorf("set the mode of the data folder: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("find the data folder: %w", err)
	}
	return resolved, nil
}

// openCluster finds the cluster of a data folder, or makes it if there is none.
func openCluster(ctx context.Context, dataDir string, settings serverSettings) (*cluster, error) {
	home, err := findHome(dataDir, settings.systemHome)
	if err != nil {
		return nil, err
	}
	c := &cluster{home: home}
	if c.account, err = serverAccount(c.dir()); err != nil {
		return nil, err
	}
	major, err := c.major()
	if err != nil {
		return nil, err
	}
	if c.programs, err = findPrograms(ctx, major); err != nil {
		if _, wrong := errors.AsType[*wrongMajorError](err); wrong {
			return nil, fmt.Errorf("the database in %s cannot be opened: %w. Install PostgreSQL %d (or set PG_BIN to its programs), "+
				"or take another folder with RINGSIDE_DATA_DIR and move the data with pg_dump", c.dir(), err, major)
		}
		return nil, err
	}
	if major == 0 {
		return c, c.create(ctx, settings)
	}
	barrier, err := c.account.barrier(home)
	if err != nil {
		return nil, err
	}
	if barrier != "" {
		return nil, fmt.Errorf("the database in %s belongs to user id %d, who may not pass %s: "+
			"let others pass with chmod o+x, or move the data folder", c.dir(), c.account.uid, barrier)
	}
	return c, nil
}

// findHome returns the folder that holds, or is to hold, the cluster of a data folder.
func findHome(dataDir, systemHome string) (string, error) {
	location := filepath.Join(dataDir, locationName)
	switch named, err := os.ReadFile(location); {
	case err == nil:
		home := strings.TrimSpace(string(named))
		if !filepath.IsAbs(home) {
			return "", fmt.Errorf("%s should hold the full path of the folder with the database, but holds %q", location, home)
		}
		return home, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read where the database is: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dataDir, clusterName)); err == nil {
		return dataDir, nil
	}
	account, err := serverAccount("")
	if err != nil {
		return "", err
	}
	barrier, err := account.barrier(dataDir)
	if err != nil || barrier == "" {
		return dataDir, err
	}
	return makeSystemHome(dataDir, systemHome)
}

// makeSystemHome makes a folder outside the data folder and leaves a note of it in the data
// folder. A folder that is there already belonged to a data folder that somebody has removed: it is
// neither deleted nor taken for this one.
func makeSystemHome(dataDir, systemHome string) (string, error) {
	if err := os.MkdirAll(systemHome, 0o711); err != nil {
		return "", fmt.Errorf("the server's user cannot reach %s, and its files cannot be kept elsewhere: %w", dataDir, err)
	}
	for n := 1; ; n++ {
		home := filepath.Join(systemHome, pathHash(dataDir))
		if n > 1 {
			home += "-" + strconv.Itoa(n)
		}
		err := os.Mkdir(home, 0o711)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Chmod(home, 0o711)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dataDir, locationName), []byte(home+"\n"), 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("make a folder for the database of %s: %w", dataDir, err)
		}
		return home, nil
	}
}

// pathHash is a short name for a path, for places where the path itself would be too long.
func pathHash(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:6])
}

// major returns the PostgreSQL that made the cluster, 0 if there is no cluster yet.
func (c *cluster) major() (int, error) {
	version, err := os.ReadFile(filepath.Join(c.dir(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.dir()); err == nil {
			return 0, fmt.Errorf("%s is no PostgreSQL cluster (it has no PG_VERSION): move it away, or take another folder with RINGSIDE_DATA_DIR", c.dir())
		}
		return 0, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return 0, fmt.Errorf("the database in %s belongs to another user: run Ringside as that user, or take another folder with RINGSIDE_DATA_DIR", c.dir())
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the database in %s: %w", c.dir(), err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(version)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("the database in %s has the version %q, which is none", c.dir(), strings.TrimSpace(string(version)))
	}
	return major, nil
}

// create makes the cluster in a scratch folder and renames it into place when it is whole, so that
// what bears the cluster's name is never half a cluster and needs never be deleted.
func (c *cluster) create(ctx context.Context, settings serverSettings) error {
	scratch := filepath.Join(c.home, scratchName)
	// What an interrupted initdb has left: no server has ever run on it.
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("remove what an interrupted initdb left: %w", err)
	}
	err := c.initdb(ctx, scratch, "C.UTF-8", settings)
	if err != nil && strings.Contains(err.Error(), "invalid locale name") {
		err = c.initdb(ctx, scratch, "C", settings)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(scratch))
	}
	if err := os.Rename(scratch, c.dir()); err != nil {
		return fmt.Errorf("put the new database in its place: %w", err)
	}
	return syncDir(c.home)
}

func (c *cluster) initdb(ctx context.Context, dir, locale string, settings serverSettings) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for a new database: %w", err)
	}
	if err := c.account.own(dir); err != nil {
		return err
	}
	args := []string{"-D", dir, "-U", superuser, "--auth=trust", "--encoding=UTF8", "--locale=" + locale, "--no-instructions"}
	if settings.noSync {
		args = append(args, "--no-sync")
	}
	cmd := c.account.command(c.programs.path("initdb"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("make a new database: %w", ctx.Err())
		}
		return fmt.Errorf("initdb could not make a new database in %s (%w): %s", dir, err, lastLines(out.Bytes(), 5))
	}
	return nil
}

// syncDir makes a rename within dir durable: what is written into the cluster from now on must not
// be found under the scratch folder's name after a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s to sync it: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// lastLines returns the end of a program's output on one line.
func lastLines(output []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
