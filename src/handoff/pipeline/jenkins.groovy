// Written by `devcluster init --ci jenkins`; yours to edit. What it runs, `devcluster ci` runs on a laptop, too.
// Agents labelled `docker` have a Docker engine, cargo, curl and git. Plugins: Pipeline, Git, JUnit, Credentials Binding.
String tools = '''
set -eu
tools=$HOME/.cache/devcluster-tools/@TOOLS_KEY@
@INSTALL@
'''

pipeline {
    agent none
    options {
        timeout(time: 3, unit: 'DAYS')
        buildDiscarder(logRotator(numToKeepStr: '50', artifactNumToKeepStr: '20'))
        disableConcurrentBuilds()
        skipDefaultCheckout()
    }
    environment {
@VERSIONS@
        // The team's key for Secrets' values in devcluster.lock; without it they are not compared.
        // DEVCLUSTER_LOCK_KEY = credentials('devcluster-lock-key')
        // A private key in PEM signs the attestation; without it nobody signs.
        // DEVCLUSTER_SIGNING_KEY = credentials('devcluster-signing-key')
    }
    stages {
        stage('ci') {
            agent { label 'docker' }
            options { timeout(time: 1, unit: 'HOURS') }
            steps {
                checkout scm
                sh tools
                sh '@CD@PATH="$HOME/.cache/devcluster-tools/@TOOLS_KEY@/bin:$PATH" devcluster ci'
                stash name: 'attestation', includes: '@BELOW@.devcluster/ci/attestation.json'
            }
            post {
                always {
                    sh 'if [ -f @BELOW@.devcluster/ci/summary.md ]; then cat @BELOW@.devcluster/ci/summary.md; fi'
                    junit testResults: '@BELOW@.devcluster/ci/junit.xml', allowEmptyResults: true
                    archiveArtifacts artifacts: '@BELOW@.devcluster/ci/**', allowEmptyArchive: true
                }
            }
        }
@STAGES@    }
}
