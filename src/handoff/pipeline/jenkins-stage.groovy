        stage('@NAME@') {
            when {
                branch '@BRANCH@'
                beforeInput true
                beforeAgent true
            }
@GATE@            agent { label 'docker' }
            environment {
                GIT_AUTHOR_NAME = 'jenkins'
                GIT_AUTHOR_EMAIL = 'jenkins@localhost'
                GIT_COMMITTER_NAME = 'jenkins'
                GIT_COMMITTER_EMAIL = 'jenkins@localhost'
            }
            steps {
                checkout scm
@UNSTASH@                sh tools
                // Credentials that may push to the environments' branches.
                withCredentials([gitUsernamePassword(credentialsId: 'devcluster-push')]) {
                    sh '''
@CD@export PATH="$HOME/.cache/devcluster-tools/@TOOLS_KEY@/bin:$PATH"
@COMMANDS@
'''
                }
            }
        }
