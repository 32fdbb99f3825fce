# devcluster's hand on a node: puts files into running containers. It enters a container's own mount namespace, so that the
# kernel resolves every path inside that container's root and mounts, and needs nothing of the container's image.
# Batches come on standard input and answers go to standard output, as src/cluster/hand.rs describes them.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :mode);
use POSIX ();

my ($setns) = map { $_ eq 'x86_64' ? 308 : 268 } `uname -m` =~ /(\S+)/;
my $tasks = '/run/containerd/io.containerd.runtime.v2.task/k8s.io';
my $buffer = '';
my $number = 0;
binmode STDIN;
binmode STDOUT;
umask 0;
$SIG{PIPE} = 'IGNORE';
open my $home, '<', '/proc/self/ns/mnt' or die "no namespace: $!";
mkdir '/var/lib/devcluster', 0700;

sub take {
    my ($length) = @_;
    while (length $buffer < $length) {
        sysread(STDIN, $buffer, 1 << 17, length $buffer) or exit 0;
    }
    return substr $buffer, 0, $length, '';
}
sub number { unpack 'N', take(4) }
sub text { take(number()) }
sub say_all {
    my ($bytes) = @_;
    my $done = 0;
    while ($done < length $bytes) { $done += syswrite(STDOUT, $bytes, length($bytes) - $done, $done) // exit 0 }
}
sub write_all {
    my ($to, $bytes) = @_;
    my $done = 0;
    while ($done < length $bytes) {
        my $wrote = syswrite $to, $bytes, length($bytes) - $done, $done;
        return 0 unless defined $wrote;
        $done += $wrote;
    }
    return 1;
}

# All of a batch, before anything is changed: contents go to a file of no name.
sub batch {
    my ($spool) = @_;
    my ($at, @records) = (0);
    while (1) {
        my $kind = take(1);
        return @records if $kind eq 'E';
        my %record = (kind => $kind, path => text());
        $record{mode} = number() if $kind =~ /[FDM]/;
        $record{target} = text() if $kind eq 'L';
        if ($kind eq 'F') {
            @record{qw(keep at)} = (unpack('C', take(1)), $at);
            while (length(my $chunk = text())) {
                write_all($spool, $chunk) or $record{unkept} = "the node cannot keep it: $!";
                $at += length $chunk;
            }
            $record{size} = $at - $record{at};
            next unless unpack 'C', take(1);
        }
        push @records, \%record;
    }
}

sub process_of {
    my ($id) = @_;
    open my $file, '<', "$tasks/$id/init.pid" or return;
    my $process = <$file>;
    return $process =~ /^(\d+)/ ? $1 : undef;
}
sub belongs { # whether a process is of that container still
    my ($process, $id) = @_;
    open my $file, '<', "/proc/$process/cgroup" or return 0;
    return scalar grep { index($_, $id) >= 0 } <$file>;
}

sub parent { my ($path) = @_; return $path =~ m{^(.*)/[^/]+$}s && length $1 ? $1 : '/' }
sub directory { # makes a directory and those above it, owned as the nearest that is there
    my ($path, $mode) = @_;
    return 1 if -d $path;
    my $above = parent($path);
    directory($above, 0755) or return 0;
    my @like = stat $above;
    mkdir $path, $mode or return 0;
    chown $like[4], $like[5], $path;
    return 1;
}
sub copy {
    my ($spool, $record, $out) = @_;
    sysseek $spool, $record->{at}, 0;
    my $left = $record->{size};
    while ($left > 0) {
        my $read = sysread $spool, my $chunk, $left > 1 << 20 ? 1 << 20 : $left;
        return 0 unless $read && write_all($out, $chunk);
        $left -= $read;
    }
    return 1;
}
sub new_name { my ($path) = @_; my $above = parent($path); return ($above eq '/' ? '' : $above) . "/.devcluster-$$-" . $number++ }
sub file {
    my ($spool, $record) = @_;
    my $path = $record->{path};
    return $record->{unkept} if $record->{unkept};
    directory(parent($path), 0755) or return "$!";
    my @old = lstat $path;
    my $plain = @old && S_ISREG($old[2]);
    return 'a directory stands there' if @old && S_ISDIR($old[2]);
    my @like = $plain ? @old : stat parent($path);
    my $mode = $plain && $record->{keep} ? S_IMODE($old[2]) : $record->{mode};
    my $beside = new_name($path);
    sysopen my $out, $beside, O_WRONLY | O_CREAT | O_EXCL, 0600 or return "$!";
    my $fault = copy($spool, $record, $out) ? '' : "$!";
    chown $like[4], $like[5], $out;
    chmod $mode, $out;
    close $out or $fault ||= "$!";
    return '' if !$fault && rename($beside, $path);
    $fault ||= "$!";
    my $is_mount = $!{EBUSY};
    unlink $beside;
    return $fault unless $is_mount;
    # A file that is a mount of its own cannot be replaced, only written.
    sysopen $out, $path, O_WRONLY | O_TRUNC | O_NOFOLLOW or return "$!";
    return copy($spool, $record, $out) && close($out) ? '' : "$!";
}
sub link_ {
    my ($record) = @_;
    my $path = $record->{path};
    directory(parent($path), 0755) or return "$!";
    my @like = stat parent($path);
    my $beside = new_name($path);
    symlink $record->{target}, $beside or return "$!";
    POSIX::lchown($like[4], $like[5], $beside);
    return '' if rename($beside, $path);
    my $fault = "$!";
    unlink $beside;
    return $fault;
}
sub remove {
    my ($path) = @_;
    my @old = lstat $path or return '';
    # A directory that holds what did not come from here stays.
    if (S_ISDIR($old[2])) { return rmdir($path) || $!{ENOTEMPTY} || $!{EEXIST} ? '' : "$!" }
    return unlink($path) ? '' : "$!";
}
sub owner { # user, group and mode of what stands at a path; for an `S` no mode, and those of what would be made there
    my ($record) = @_;
    my ($path, @is) = ($record->{path});
    if ($record->{kind} ne 'S') { return (@is = lstat $path) ? (@is[4, 5], S_IMODE($is[2])) : (0, 0, 0) }
    @is = lstat $path;
    until (@is) { @is = stat($path = parent($path)) }
    return (@is[4, 5], 0);
}
sub place {
    my ($spool, $record) = @_;
    my $kind = $record->{kind};
    return file($spool, $record) if $kind eq 'F';
    return link_($record) if $kind eq 'L';
    return remove($record->{path}) if $kind eq 'R';
    return directory($record->{path}, $record->{mode}) ? '' : "$!" if $kind eq 'D';
    return chmod($record->{mode}, $record->{path}) || $!{ENOENT} ? '' : "$!" if $kind eq 'M';
    return '' if $kind eq 'N' || $kind eq 'S';
    return "no such record: $kind";
}

while (1) {
    take(1) eq 'B' or exit 1;
    sysopen my $spool, "/var/lib/devcluster/batch-$$", O_RDWR | O_CREAT | O_TRUNC, 0600 or die "no room for a batch: $!";
    unlink "/var/lib/devcluster/batch-$$";
    my @records = batch($spool);
    my @targets = map { { id => text(), signal => text() } } 1 .. number();
    my ($answer, @seen) = ('');
    for my $target (@targets) {
        my ($status, @faults) = ('');
        my $process = process_of($target->{id});
        if (!$process || !open(my $inside, '<', "/proc/$process/ns/mnt") || !belongs($process, $target->{id})) {
            $status = 'gone';
        } elsif (syscall($setns, fileno $inside, 0x20000) != 0) {
            $status = "its mounts cannot be entered: $!";
        } else {
            chdir '/';
            for my $at (0 .. $#records) {
                my $fault = place($spool, $records[$at]);
                push @faults, [$at, $fault] if length $fault;
            }
            if (!@seen) {
                @seen = map { pack 'NNN', owner($_) } @records;
            }
            syscall($setns, fileno $home, 0x20000) == 0 or exit 1;
            chdir '/';
            if (length $target->{signal} && belongs($process, $target->{id})) {
                kill($target->{signal}, $process) or $status = "cannot be signalled: $!";
            }
        }
        $answer .= pack('N/a* N', $status, scalar @faults) . join '', map { pack('N N/a*', @$_) } @faults;
    }
    say_all('A' . $answer . pack('N', scalar @seen) . join '', @seen);
    close $spool;
}
