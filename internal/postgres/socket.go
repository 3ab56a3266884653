package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	// socketPort is only the number in the socket's name: the server listens on no port.
	socketPort = 5432
	// maxSocketPath is what fits the address of a Unix socket on macOS; Linux has 4 bytes more.
	maxSocketPath = 103
)

// socketDir returns the folder for the server's socket, made if it is missing. Whoever can enter
// it is let in without a password, so only the server's user can.
func (c *cluster) socketDir() (string, error) {
	if dir := filepath.Join(c.home, socketName); len(socketPath(dir)) <= maxSocketPath {
		return dir, c.makeSocketDir(dir)
	}
	for _, temp := range slices.Compact([]string{os.TempDir(), "/tmp"}) {
		dir := filepath.Join(temp, fmt.Sprintf("ringside-%d-%s", c.account.uid, pathHash(c.home)))
		barrier, err := c.account.barrier(temp)
		if err == nil && barrier == "" && len(socketPath(dir)) <= maxSocketPath {
			return dir, c.makeSocketDir(dir)
		}
	}
	return "", fmt.Errorf("the path of %s is too long for a Unix socket, and so is %s: take a data folder with a shorter path", c.home, os.TempDir())
}

func (c *cluster) makeSocketDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		return c.account.own(dir)
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the folder for the server's socket: %w", err)
	}
	// In a folder that others can write to, it may be somebody else's, or a link to anywhere.
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder for the server's socket: %w", err)
	}
	if !info.IsDir() || ownerOf(info).uid != c.account.uid || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s should be a folder that only user id %d can enter, and is not: remove it", dir, c.account.uid)
	}
	return nil
}

func socketPath(dir string) string {
	return filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(socketPort))
}

// socketURL is complete, so that no PG… variable of the environment changes where it leads.
func socketURL(dir, database string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/" + database,
		RawQuery: url.Values{
			"host": {dir}, "port": {strconv.Itoa(socketPort)}, "sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}
