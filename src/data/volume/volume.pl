# devcluster's work beside a volume's directory, on the node that has it. All that is made is in `.devcluster/NAME` beside the
# directory, on the same file system, so that whole trees change places by a rename:
#   loading        a snapshot that is being unpacked
#   incoming       files, whole, that are to take the place of the volume's
#   swapping       the same while the volume's files go out; entering while they go in
#   unsettled      a file that says that a swap that was cut off is being ended
#   pristine       what was loaded last, and pristine-next before it is in the volume, too
#   spare          a copy of it for the next reset
#   stage          a copy of the volume's files as they were at one moment; before that a rough one, made while they are written
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock);
use POSIX qw(WNOHANG);

my ($verb, $volume, $to) = @ARGV;
$volume =~ s{/+$}{};
my ($above, $name) = $volume =~ m{^(.+)/([^/]+)$}s or die "$volume is no volume's directory\n";
-d $volume && !-l $volume or die "$volume is no directory on this node\n";
(stat _)[0] == (stat $above)[0] or die "$volume is a file system of its own: its files have no place beside it\n";
my $work = "$above/.devcluster/$name";
for my $directory ("$above/.devcluster", $work) {
    mkdir $directory, 0700 or $!{EEXIST} or die "$directory: $!\n";
}
# What is under way goes on, whoever asked for it: two never work beside one volume.
open my $lock, '>', "$work/lock" or die "$work/lock: $!\n";
flock $lock, LOCK_EX or die "$work/lock: $!\n";
$SIG{$_} = 'IGNORE' for qw(PIPE HUP);
my $number = 0;
$| = 1;

sub run { system(@_) == 0 or die "`@_` failed\n" }
sub move { my ($from, $to) = @_; rename $from, $to or die "$from cannot be moved to $to: $!\n" }
sub there { return scalar lstat "$work/$_[0]" }
sub trash { for (@_) { move("$work/$_", "$work/trash-$$-" . time . '-' . $number++) if there($_) } }
sub clean { my @trash = glob "\Q$work\E/trash-*"; run('rm', '-rf', '--', @trash) if @trash }
sub synced { run('sync', '-f', $work) }
sub output { open my $from, '-|', @_ or die "$_[0]: $!\n"; local $/; my $text = <$from>; close $from or die "`@_` failed\n"; return $text }
sub used { # files that come and go meanwhile are no failure
    open my $from, '-|', 'sh', '-c', 'du -s --block-size=1 -- "$1" 2>/dev/null || :', 'sh', $_[0] or die "du: $!\n";
    return (<$from> // '') =~ /^(\d+)/ ? $1 : 0;
}
sub told { # runs a program, says now and then how many bytes are in what it makes, and gives how it ended
    my ($tree, @command) = @_;
    defined(my $child = fork) or die "fork: $!\n";
    if (!$child) { exec @command or POSIX::_exit(127) }
    my $pause = 0.01;
    while (waitpid($child, WNOHANG) == 0) {
        select undef, undef, undef, $pause;
        $pause = $pause * 2 > 2 ? 2 : $pause * 2;
        printf "at=%s\n", used($tree) if $pause > 0.5;
    }
    return $?;
}
sub names {
    my ($directory) = @_;
    opendir my $handle, $directory or die "$directory: $!\n";
    my @names = grep { $_ ne '.' && $_ ne '..' } readdir $handle;
    return @names;
}
sub pending { return there('swapping') || there('entering') || there('unsettled') }
sub reflinks {
    my $probe = "$work/probe";
    open my $file, '>', $probe or die "$probe: $!\n";
    print $file 'x' x 65536;
    close $file;
    my $can = system("cp --reflink=always -- \Q$probe\E \Q$probe-copy\E 2>/dev/null") == 0 ? 1 : 0;
    unlink $probe, "$probe-copy";
    return $can;
}
sub copy { # a whole tree, there under its name only when all of it is
    my ($from, $to) = @_;
    trash("$to.partial");
    run('cp', '-a', '--reflink=auto', '--', $from, "$work/$to.partial");
    move("$work/$to.partial", "$work/$to");
}

sub like { return $work . (there('pristine-next') ? '/pristine-next' : '/pristine') }

# Puts a whole tree in place of the volume's files.
sub swap {
    my ($tree) = @_;
    trash('outgoing');
    mkdir "$work/outgoing", 0700 or die "$work/outgoing: $!\n";
    move("$work/$tree", "$work/swapping");
    move("$volume/$_", "$work/outgoing/$_") for names($volume);
    move("$work/swapping", "$work/entering");
    move("$work/entering/$_", "$volume/$_") for names("$work/entering");
    # Emptied, it is younger than it was.
    run('cp', '-aT', '--', "$work/entering", $volume);
    run('touch', '-r', like(), '--', $volume);
    if (there('pristine-next')) {
        trash('pristine', 'spare');
        move("$work/pristine-next", "$work/pristine");
    }
    rmdir "$work/entering" or die "$work/entering: $!\n";
    trash('outgoing');
}
# Ends a swap that was cut off. What went in was perhaps written since: all of it goes in anew.
sub settle {
    sysopen my $mark, "$work/unsettled", O_WRONLY | O_CREAT or die "$work/unsettled: $!\n";
    trash('swapping', 'entering', 'incoming');
    copy(like(), 'incoming');
    swap('incoming');
    unlink "$work/unsettled" or die "$work/unsettled: $!\n";
}
sub ready { # the spare copy for the next reset
    there('pristine') or die "nothing was loaded\n";
    return 0 if there('spare');
    copy("$work/pristine", 'spare');
    synced();
    return 1;
}

# A file is as it was copied where at its path there is the inode that was there before the copy began, unchanged since: every
# write, rename and change of rights sets an inode's change time. Pages that are mapped writably and dirty would be written
# unseen, so they are written back before.
sub index_of { # what stands below a directory, sorted by path: inode, change time, kind, path
    my ($directory, $to) = @_;
    run('sh', '-c', 'find "$1" -printf "%i %C@ %y %P\\0" | sort -z -k4 > "$2"', 'sh', $directory, "$work/$to");
}
sub mark { # a file that is as old as this moment
    my $path = "$work/$_[0]";
    unlink $path;
    sysopen my $mark, $path, O_WRONLY | O_CREAT | O_EXCL or die "$path: $!\n";
    return output('find', $path, '-printf', '%C@');
}
sub rough {
    trash('stage');
    run('sync', '-f', $volume);
    mark('since');
    index_of($volume, 'index-before');
    # Files that come and go while it copies are its complaints, not ours.
    told("$work/stage", 'sh', '-c', 'cp -a --reflink=auto -- "$1" "$2" 2>/dev/null', 'sh', $volume, "$work/stage");
    there('stage') or die "$work/stage could not be made\n";
}
sub reader { # gives the next line of an index: path, inode, change time, kind; nothing at its end
    my ($from) = @_;
    open my $index, '<', "$work/$from" or die "$work/$from: $!\n";
    return sub {
        local $/ = "\0";
        defined(my $line = <$index>) or return;
        chomp $line;
        my ($inode, $changed, $kind, $path) = split / /, $line, 4;
        return [$path, $inode, $changed, $kind];
    };
}
sub upto { # the line of a path in an index that is read along
    my ($at, $next, $path) = @_;
    $$at = $next->() while $$at && $$at->[0] lt $path;
    return $$at && $$at->[0] eq $path ? $$at : undef;
}
sub exact {
    there('stage') && there('since') or die "no rough copy was made\n";
    index_of($volume, 'index-now');
    index_of("$work/stage", 'index-stage');
    my $since = output('find', "$work/since", '-printf', '%C@');
    # By a clock that was set back, nothing that changed looks as if it had.
    $since = '0.0' if later($since, mark('moment'));
    my ($before, $stage, $now) = map { reader("index-$_") } qw(before stage now);
    my ($old, $copy) = ($before->(), $stage->());
    my (%parents, %gone);
    my $count = 0;
    open my $list, '>', "$work/list" or die "$work/list: $!\n";
    my $note = sub { my ($path) = @_; $parents{$path =~ m{^(.*)/}s ? $1 : ''} = 1 if length $path };
    my $drop = sub {
        my ($path) = my ($above) = @_;
        while ($above =~ s{/[^/]*$}{}s) { return if $gone{$above} }
        $gone{$path} = 1;
        $note->($path);
    };
    while (my $entry = $now->()) {
        my ($path, $inode, $changed, $kind) = @$entry;
        while ($copy && $copy->[0] lt $path) { $drop->($copy->[0]); $copy = $stage->() }
        my $was = upto(\$old, $before, $path);
        my $is = $copy && $copy->[0] eq $path ? $copy : undef;
        $copy = $stage->() if $is;
        next if $is && $was && $was->[1] == $inode && later($since, $changed) && $is->[3] eq $kind;
        $drop->($path) if $is && $is->[3] ne $kind;
        $note->($path);
        print $list "./$path\0";
        $count++;
    }
    while ($copy) { $drop->($copy->[0]); $copy = $stage->() }
    # Their times change with their entries. What is noted stands in what is there, so its directory does, too.
    print $list "./$_\0" for sort keys %parents;
    close $list or die "$work/list: $!\n";
    open my $rm, '|-', 'xargs', '-0r', 'rm', '-rf', '--' or die "xargs: $!\n";
    print $rm "$work/stage/$_\0" for sort keys %gone;
    close $rm or die "what is gone cannot be removed from the copy\n";
    my $pass = 'set -o pipefail; tar -C "$1" -c -f - --format=posix --no-recursion --null --verbatim-files-from -T "$3" --numeric-owner '
        . '--sparse --acls --xattrs "--xattrs-include=*" '
        . '| tar -C "$2" -x -p -f - --numeric-owner --same-owner --acls --xattrs "--xattrs-include=*" --delay-directory-restore';
    run('bash', '-c', $pass, 'bash', $volume, "$work/stage", "$work/list") if $count || %gone;
    return $count;
}
sub unstage {
    trash('stage');
    unlink map { "$work/$_" } qw(since moment list index-before index-now index-stage);
    clean();
}
sub place { # makes the directory that a tree is to stand in
    $to =~ m{^(/.+)/[^/]+$}s && !lstat $to or die "$to is no place for a copy\n";
    run('mkdir', '-p', '-m', '0700', '--', $1);
}
sub later { # whether the one time, as find tells it, is later than the other
    my ($one, $other) = map { /^(\d+)\.?(\d*)$/ ? [$1, substr("${2}0000000000", 0, 10)] : [0, ''] } @_;
    return $one->[0] != $other->[0] ? $one->[0] > $other->[0] : $one->[1] gt $other->[1];
}

if ($verb eq 'space') {
    my ($free) = output('df', '--block-size=1', '--output=avail', '--', $work) =~ /(\d+)\s*$/ or die "df says nothing\n";
    printf "bytes=%s free=%s reflink=%d\n", used($volume), $free, reflinks();
} elsif ($verb eq 'state') {
    printf "pending=%d empty=%d\n", pending() ? 1 : 0, names($volume) ? 0 : 1;
} elsif ($verb eq 'rough') {
    rough();
    print "done\n";
} elsif ($verb eq 'exact') {
    printf "files=%d\n", exact();
} elsif ($verb eq 'unstage') {
    unstage();
    print "done\n";
} elsif ($verb eq 'hand') { # gives the copy of one moment away
    there('stage') or die "no copy was made\n";
    place();
    run('mv', '-T', '--', "$work/stage", $to);
    unstage();
    print "done\n";
} elsif ($verb eq 'lay') { # copies the files to another place, there under its name only when all of them are
    place();
    run('rm', '-rf', '--', "$to.partial");
    told("$to.partial", 'cp', '-a', '--reflink=auto', '--', $volume, "$to.partial") == 0 or die "$volume cannot be copied to $to\n";
    move("$to.partial", $to);
    print "done\n";
} elsif ($verb eq 'unpack') {
    die "an interrupted swap has to be ended first\n" if pending();
    trash('stage', 'loading', 'incoming', 'incoming.partial', 'pristine-next', 'spare.partial');
    clean();
    mkdir "$work/loading", 0700 or die "$work/loading: $!\n";
    run('tar', '-C', "$work/loading", '-x', '-p', '-f', '-', '--numeric-owner', '--same-owner', '--acls', '--xattrs',
        '--xattrs-include=*', '--delay-directory-restore');
    print "unpacked\n";
} elsif ($verb eq 'arrive') {
    my $reflinks = reflinks();
    there('loading') or die "nothing was unpacked\n";
    copy("$work/loading", 'incoming');
    synced();
    move("$work/loading", "$work/pristine-next");
    printf "bytes=%s reflink=%d made=1\n", used("$work/incoming"), $reflinks;
} elsif ($verb eq 'swap') {
    die "an interrupted swap has to be ended first\n" if pending();
    there('incoming') && there('pristine-next') or die "nothing was unpacked\n";
    swap('incoming');
    print "done\n";
} elsif ($verb eq 'settle') {
    settle() if pending();
    print "done\n";
} elsif ($verb eq 'prepare') {
    trash('spare.partial');
    clean();
    my $made = ready();
    printf "bytes=%s reflink=%d made=%d\n", used("$work/spare"), reflinks(), $made;
} elsif ($verb eq 'ready') {
    printf "bytes=0 reflink=0 made=%d\n", ready();
} elsif ($verb eq 'reset') {
    die "an interrupted swap has to be ended first\n" if pending();
    there('spare') or die "no spare copy stands ready\n";
    # Of a load that never came to its swap.
    trash('loading', 'incoming', 'pristine-next');
    swap('spare');
    print "done\n";
} else {
    die "no such verb: $verb\n";
}
